package routes

import (
	"fmt"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	env := func(name string) (string, bool) {
		if name == "CART_HOST" {
			return "cart-v2", true
		}
		return "", false
	}
	tests := []struct{ name, text, want string }{
		{"spring", `
spring:
  cloud:
    gateway:
      routes:
        - id: cart
          uri: http://${CART_HOST:cart}:8080  # the basket
          predicates:
            - Path=/api/v1/cart/**
        # - id: old
        - id: "order"
          predicates:
            - Path=/order/**,/orders/**
          uri: lb://${ORDER_HOST:-order-svc}
        - id: broken
          uri: lb://nowhere
`, "cart /api/v1/cart/** cart-v2:8080 true|order /order/** order-svc:0 false"},
		{"spring without ids", "- uri: http://a:1\n  predicates:\n  - Path=/a\n- uri: http://b\n  predicates:\n  - Path=/b\n", " /a a:1 true| /b b:0 true"},
		{"properties", "spring.cloud.gateway.routes[0].id=cart\nspring.cloud.gateway.routes[0].uri=http://cart:80\nspring.cloud.gateway.routes[0].predicates[0]=Path=/cart/**\n", "cart /cart/** cart:80 true"},
		{"nginx", `
upstream orders { 
  server order-svc:8080 weight=5;
  server other:1;
}
server {
  listen 80;
  location /cart/ {
    proxy_pass http://cart:8080/;
  }
  location ~ ^/static { root /srv; }
  location = /order { proxy_pass http://orders; }
  location /none { return 404; }
}`, " /cart/ cart:8080 true| /order order-svc:8080 true"},
		{"haproxy", `
frontend web
  acl is_cart path_beg /cart
  use_backend carts if is_cart
  use_backend orders if { path_beg /order }
backend carts
  server s1 cart:8080 check
backend orders
  server s1 order-svc:80
`, "carts /cart cart:8080 true|orders /order order-svc:80 true"},
		{"nothing", "a: b\n{}\n\x00", ""},
		{"hostile", "location\nlocation \nproxy_pass \nuse_backend\n- id:\nuri: http://%zz\n- uri: ${${${\n", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, r := range Parse(tt.text, env) {
				got = append(got, fmt.Sprintf("%s %s %s:%d %t", r.Name, r.Path, r.Host, r.Port, r.Bound))
			}
			if s := strings.Join(got, "|"); s != tt.want {
				t.Errorf("got  %q\nwant %q", s, tt.want)
			}
		})
	}
}

func TestOddities(t *testing.T) {
	names := []string{"shop-cart-svc", "shop-order-svc", "shop-price-svc", "shop-user-svc", "shop-wait-order-svc", "db"}
	service := func(host string) string {
		for _, n := range names {
			if n == host {
				return n
			}
		}
		return ""
	}
	route := func(name, path, host string) Found { return Found{Name: name, Path: path, Host: host} }
	rest := []Found{route("cart", "/v1/cartservice/**", "shop-cart-svc"), route("price", "/v1/priceservice/**", "shop-price-svc"), route("wait-order", "/v1/wait", "shop-wait-order-svc")}
	user := route("user", "/v1/users", "shop-user-svc")
	tests := []struct {
		name   string
		routes []Found
		want   string
	}{
		{"all fit", append([]Found{user, route("order", "/v1/orderservice/**", "shop-order-svc")}, rest...), ""},
		{"one leads to another", append([]Found{user, route("order", "/v1/orderservice/**", "shop-price-svc")}, rest...), "order shop-price-svc -> shop-order-svc 4 1"},
		{"the path alone tells", append([]Found{user, route("", "/v1/orderservice/**", "shop-price-svc")}, rest...), " shop-price-svc -> shop-order-svc 4 1"},
		{"another route leads there", append([]Found{user, route("x", "/v1/x", "shop-order-svc"), route("order", "/v1/orderservice/**", "shop-price-svc")}, rest...), ""},
		{"no pattern", []Found{route("order", "/order", "shop-price-svc"), rest[0], user}, ""},
		{"nobody follows it", []Found{route("order", "/order", "shop-price-svc"), route("cart", "/cart", "db"), route("user", "/user", "shop-price-svc"), rest[1], rest[2]}, ""},
		{"a name that tells nothing", append([]Found{user, route("login", "/v1/login", "shop-user-svc")}, rest...), ""},
		{"an unknown target", append([]Found{user, route("order", "/order", "elsewhere.example.com")}, rest...), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, o := range Oddities(tt.routes, names, service) {
				got = append(got, fmt.Sprintf("%s %s -> %s %d %d", o.Name, o.Host, o.Service, o.Siblings, o.Breaks))
			}
			if s := strings.Join(got, "|"); s != tt.want {
				t.Errorf("got %q, want %q", s, tt.want)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add("- id: a\n  uri: lb://${A:b}\n  - Path=/x\nlocation /a { proxy_pass http://b; }\nupstream b {\nserver c:1;\n}")
	f.Add("backend b\nserver s h:1\nacl a path /x\nuse_backend b if { path /y }")
	f.Fuzz(func(t *testing.T, s string) {
		routes := Parse(s, nil)
		if len(routes) > maxRoutes {
			t.Errorf("%d routes", len(routes))
		}
		for _, r := range routes {
			if r.Host == "" || r.Path == "" || r.Port < 0 || r.Port > 65535 {
				t.Errorf("%+v", r)
			}
		}
		Oddities(routes, []string{"a", "b-svc", "c-svc"}, func(h string) string { return h })
	})
}
