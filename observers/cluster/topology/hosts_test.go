package topology

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestHosts(t *testing.T) {
	tests := []struct {
		name, key, text string
		want            string // "name:port" with ! when sure, blank separated
	}{
		{"url", "X", "http://api:8080/v1", "api:8080!"},
		{"url without port", "X", "https://api/v1?x=http%3A", "api:0!"},
		{"url with user", "X", "postgres://bob:p4ss@db:5432/shop?sslmode=off", "db:5432!"},
		{"password that looks like a host", "X", "redis://:api@redis:6379/0", "redis:6379!"},
		{"url list", "X", "http://a:1,http://b:2", "a:1! b:2!"},
		{"seed list", "X", "mongodb://m-0.m:27017,m-1.m:27017/db?replicaSet=rs", "m-0.m:27017! m-1.m:27017!"},
		{"jdbc", "X", "jdbc:postgresql://db:5432/shop", "db:5432!"},
		{"url in a query", "X", "https://login/?next=http://api:80/x", "login:0! api:80!"},
		{"quoted in a shell", "", `while true; do wget -qO- "http://api:8080/"; done`, "api:8080!"},
		{"mysql driver", "X", "bob:p4ss@tcp(db:3306)/shop", "db:3306"},
		{"libpq words", "X", "host=db port=5432 user=api", "db:0!"},
		{"host and port", "ORDERS", "orders:50051", "orders:50051"},
		{"host and port with path", "X", "orders:80/v1", "orders:80"},
		{"list", "X", "kafka-0.kafka:9092,kafka-1.kafka:9092", "kafka-0.kafka:9092 kafka-1.kafka:9092"},
		{"internal name", "X", "api.shop.svc.cluster.local", "api.shop.svc.cluster.local:0!"},
		{"internal name, dot at its end", "X", "API.shop.svc.", "api.shop.svc:0!"},
		{"word behind a host's name", "REDIS_HOST", "redis", "redis:0!"},
		{"word behind an address", "redisAddr", "redis", "redis:0!"},
		{"flag with value", "", "--redis-host=redis", "redis:0!"},
		{"flag before", "--db-url", "db", "db:0!"},
		{"short flag", "-h", "redis", "redis:0!"},
		{"host is not the matter", "HOST_LABEL_SIZE", "api", ""},
		{"word", "MODE", "api", ""},
		{"word with dots", "X", "config.api", ""},
		{"path", "X", "/api", ""},
		{"path with words", "API_PATH", "/api/v2", ""},
		{"relative path", "API_HOST", "api/v2", ""},
		{"image", "IMAGE", "redis:7", ""},
		{"image flag", "", "--image=redis:7", ""},
		{"version", "TAG_VERSION", "redis:7", ""},
		{"image tag that is no port", "X", "redis:7.2", ""},
		{"address", "HOST", "10.0.0.1:80", ""},
		{"v6", "HOST", "[::1]:80", ""},
		{"mail", "X", "ops@api", ""},
		{"port too large", "X", "api:70000", ""},
		{"port zero", "X", "api:0", ""},
		{"listen", "LISTEN", ":8080", ""},
		{"time", "X", "12:30", ""},
		{"nothing", "HOST", "", ""},
		{"no name", "HOST", "-api-", ""},
		{"underscore", "HOST", "my_api", ""},
		{"only slashes", "URL", "://", ""},
		{"scheme without host", "URL", "file:///etc/hosts", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, h := range Hosts(tt.key, tt.text) {
				sure := ""
				if h.Sure {
					sure = "!"
				}
				got = append(got, fmt.Sprintf("%s:%d%s", h.Name, h.Port, sure))
			}
			if s := strings.Join(got, " "); s != tt.want {
				t.Errorf("Hosts(%q, %q) = %q, want %q", tt.key, tt.text, s, tt.want)
			}
		})
	}
}

func TestWords(t *testing.T) {
	for in, want := range map[string][]string{
		"REDIS_HOST": {"redis", "host"}, "--redis-host": {"redis", "host"}, "redisHost": {"redis", "host"},
		"": nil, "___": nil, "x": {"x"}, "spring.datasource.url": {"spring", "datasource", "url"},
	} {
		if got := words(in); !slices.Equal(got, want) {
			t.Errorf("words(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzHosts(f *testing.F) {
	for _, s := range []string{"http://a:1,b:2/x", "bob:p@tcp(db:3306)/x", "host=db port=1", "://://", "http://http://a", "a://b@c@d:1?://", strings.Repeat("://", 50)} {
		f.Add("DB_URL", s)
	}
	f.Fuzz(func(t *testing.T, key, text string) {
		for _, h := range Hosts(key, text) {
			if !validName(h.Name) || h.Port < 0 || h.Port > 65535 {
				t.Errorf("bad host %+v", h)
			}
			if !strings.Contains(strings.ToLower(text), h.Name) {
				t.Errorf("%q is not in the text %q", h.Name, text)
			}
		}
	})
}
