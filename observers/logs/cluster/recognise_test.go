package cluster

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/yairfalse/tapio/observers/logs"
)

func TestRecognise(t *testing.T) {
	tests := []struct{ name, line, what, target string }{
		// Go
		{"go dial refused", `2025/01/02 03:04:05 dial tcp 10.96.0.12:6379: connect: connection refused`, logs.Refused, "10.96.0.12:6379"},
		{"go get refused names the URL", `Get "http://api:8080/v1/items": dial tcp 10.96.3.4:8080: connect: connection refused`, logs.Refused, "api:8080"},
		{"go get without port", `Post "https://payments.shop.svc/charge": dial tcp 10.96.3.9:443: connect: connection refused`, logs.Refused, "payments.shop.svc"},
		{"go URL with user", `Get "http://bob:secret@api:8080/": dial tcp 10.96.3.4:8080: connect: connection refused`, logs.Refused, "api:8080"},
		{"go lookup", `dial tcp: lookup redis on 10.96.0.10:53: no such host`, logs.Unresolved, "redis"},
		{"go lookup within a URL", `Get "http://apii:8080/": dial tcp: lookup apii on 10.96.0.10:53: no such host`, logs.Unresolved, "apii"},
		{"go lookup servfail", `dial tcp: lookup api.shop.svc.cluster.local on 10.96.0.10:53: server misbehaving`, logs.Unresolved, "api.shop.svc.cluster.local"},
		{"go i/o timeout", `dial tcp 10.1.2.3:5432: i/o timeout`, logs.Timeout, "10.1.2.3:5432"},
		{"go client timeout", `Get "http://api:8080/": context deadline exceeded (Client.Timeout exceeded while awaiting headers)`, logs.Timeout, "api:8080"},
		{"go eof", `Get "http://api:8080/": EOF`, logs.Closed, "api:8080"},
		{"go unexpected eof", `Post "http://api:8080/x": unexpected EOF`, logs.Closed, "api:8080"},
		{"go reset outbound", `read tcp 10.1.1.5:44444->10.1.1.9:8080: read: connection reset by peer`, logs.Reset, "10.1.1.9:8080"},
		{"go broken pipe outbound", `write tcp 10.1.1.5:44444->10.1.1.9:8080: write: broken pipe`, logs.Reset, "10.1.1.9:8080"},
		{"go no route", `dial tcp 10.1.2.3:80: connect: no route to host`, logs.Unreachable, "10.1.2.3:80"},
		{"go v6", `dial tcp [fd00:10:96::c]:6379: connect: connection refused`, logs.Refused, "[fd00:10:96::c]:6379"},
		{"slog", `time=2025-01-02T03:04:05Z level=ERROR msg="call failed" err="Get \"http://api:8080/\": dial tcp 10.96.3.4:8080: connect: connection refused"`, logs.Refused, "api:8080"},
		{"json log", `{"level":"error","error":"dial tcp 10.96.0.12:6379: connect: connection refused"}`, logs.Refused, "10.96.0.12:6379"},
		{"grpc dial", `rpc error: code = Unavailable desc = connection error: desc = "transport: Error while dialing: dial tcp 10.96.1.1:50051: connect: connection refused"`, logs.Refused, "10.96.1.1:50051"},
		{"grpc deadline", `rpc error: code = DeadlineExceeded desc = context deadline exceeded`, logs.Timeout, ""},
		{"grpc deadline around refusal", `rpc error: code = DeadlineExceeded desc = latest balancer error: connection error: desc = "transport: Error while dialing: dial tcp 10.1.1.1:50051: connect: connection refused"`, logs.Refused, "10.1.1.1:50051"},
		{"grpc eof", `rpc error: code = Unavailable desc = error reading from server: EOF`, logs.Closed, ""},
		// Java
		{"httpclient", `org.apache.http.conn.HttpHostConnectException: Connect to api:8080 [api/10.96.1.2] failed: Connection refused (Connection refused)`, logs.Refused, "api:8080"},
		{"java plain", `java.net.ConnectException: Connection refused (Connection refused)`, logs.Refused, ""},
		{"netty", `io.netty.channel.AbstractChannel$AnnotatedConnectException: Connection refused: redis/10.96.0.1:6379`, logs.Refused, "redis:6379"},
		{"netty address only", `io.netty.channel.AbstractChannel$AnnotatedConnectException: finishConnect(..) failed: Connection refused: /10.1.2.3:6379`, logs.Refused, "10.1.2.3:6379"},
		{"netty timeout", `io.netty.channel.ConnectTimeoutException: connection timed out: redis/10.0.0.1:6379`, logs.Timeout, "redis:6379"},
		{"unknown host", `java.net.UnknownHostException: redis: Name or service not known`, logs.Unresolved, "redis"},
		{"unknown host qualified", `java.net.UnknownHostException: redis.shop.svc.cluster.local`, logs.Unresolved, "redis.shop.svc.cluster.local"},
		{"spring", `I/O error on GET request for "http://api:8080/x": Connection refused; nested exception is java.net.ConnectException`, logs.Refused, "api:8080"},
		{"pgjdbc", `org.postgresql.util.PSQLException: Connection to db:5432 refused. Check that the hostname and port are correct and that the postmaster is accepting TCP/IP connections.`, logs.Refused, "db:5432"},
		{"socket timeout", `java.net.SocketTimeoutException: Read timed out`, logs.Timeout, ""},
		{"socket reset", `java.net.SocketException: Connection reset`, logs.Reset, ""},
		{"no response", `org.apache.http.NoHttpResponseException: api:8080 failed to respond`, logs.Closed, "api:8080"},
		{"no route", `java.net.NoRouteToHostException: No route to host (Host unreachable)`, logs.Unreachable, ""},
		// Python
		{"urllib3", `urllib3.exceptions.MaxRetryError: HTTPConnectionPool(host='api', port=8080): Max retries exceeded with url: /x (Caused by NewConnectionError('<urllib3.connection.HTTPConnection object at 0x7f>: Failed to establish a new connection: [Errno 111] Connection refused'))`, logs.Refused, "api:8080"},
		{"urllib3 read timeout", `requests.exceptions.ReadTimeout: HTTPConnectionPool(host='api', port=8080): Read timed out. (read timeout=2)`, logs.Timeout, "api:8080"},
		{"python refused", `ConnectionRefusedError: [Errno 111] Connection refused`, logs.Refused, ""},
		{"python reset", `ConnectionResetError: [Errno 104] Connection reset by peer`, logs.Reset, ""},
		{"python gaierror", `socket.gaierror: [Errno -2] Name or service not known`, logs.Unresolved, ""},
		{"aiohttp", `aiohttp.client_exceptions.ClientConnectorError: Cannot connect to host api:8080 ssl:default [Connect call failed ('10.96.1.1', 8080)] Connection refused`, logs.Refused, "api:8080"},
		{"requests connect timeout", `ConnectTimeoutError(<urllib3.connection.HTTPConnection object at 0x7f>, 'Connection to api timed out. (connect timeout=2)')`, logs.Timeout, ""},
		{"remote disconnected", `http.client.RemoteDisconnected: Remote end closed connection without response`, logs.Closed, ""},
		{"redis-py", `redis.exceptions.ConnectionError: Error 111 connecting to redis:6379. Connection refused.`, logs.Refused, "redis:6379"},
		{"redis-py name", `redis.exceptions.ConnectionError: Error -2 connecting to redis:6379. Name or service not known.`, logs.Unresolved, "redis:6379"},
		{"redis-py reset", `redis.exceptions.ConnectionError: Error while reading from redis:6379 : (104, 'Connection reset by peer')`, logs.Reset, "redis:6379"},
		{"redis-py timeout", `redis.exceptions.TimeoutError: Timeout reading from redis:6379`, logs.Timeout, "redis:6379"},
		// Node
		{"node refused", `Error: connect ECONNREFUSED 10.96.1.1:6379`, logs.Refused, "10.96.1.1:6379"},
		{"node name", `Error: getaddrinfo ENOTFOUND redis.shop`, logs.Unresolved, "redis.shop"},
		{"node again", `Error: getaddrinfo EAI_AGAIN api.shop.svc.cluster.local`, logs.Unresolved, "api.shop.svc.cluster.local"},
		{"node hang up", `Error: socket hang up`, logs.Closed, ""},
		{"node reset", `Error: read ECONNRESET`, logs.Reset, ""},
		{"node unreachable", `Error: connect EHOSTUNREACH 10.0.0.1:80`, logs.Unreachable, "10.0.0.1:80"},
		{"axios", `AxiosError: timeout of 2000ms exceeded`, logs.Timeout, ""},
		{"node fetch", `FetchError: request to http://api:8080/ failed, reason: connect ECONNREFUSED 10.96.1.1:8080`, logs.Refused, "api:8080"},
		// nginx
		{"nginx refused", `2025/01/02 03:04:05 [error] 7#7: *1 connect() failed (111: Connection refused) while connecting to upstream, client: 10.1.1.1, server: , request: "GET / HTTP/1.1", upstream: "http://10.96.1.1:8080/", host: "shop"`, logs.Refused, "10.96.1.1:8080"},
		{"nginx timeout", `[error] 7#7: *9 upstream timed out (110: Connection timed out) while reading response header from upstream, client: 10.1.1.1, server: , request: "GET / HTTP/1.1", upstream: "http://10.96.1.1:8080/", host: "shop"`, logs.Timeout, "10.96.1.1:8080"},
		{"nginx closed", `[error] 7#7: *9 upstream prematurely closed connection while reading response header from upstream, client: 10.1.1.1, server: , request: "GET / HTTP/1.1", upstream: "http://api:8080/", host: "shop"`, logs.Closed, "api:8080"},
		{"nginx name", `[emerg] 1#1: host not found in upstream "api" in /etc/nginx/conf.d/default.conf:4`, logs.Unresolved, "api"},
		{"nginx resolver", `[error] 7#7: *9 api.shop could not be resolved (3: Host not found), client: 10.1.1.1`, logs.Unresolved, "api.shop"},
		// clients of databases
		{"libpq", `psql: error: connection to server at "db" (10.96.2.2), port 5432 failed: Connection refused`, logs.Refused, "db:5432"},
		{"libpq timeout", `connection to server at "db" (10.96.2.2), port 5432 failed: timeout expired`, logs.Timeout, "db:5432"},
		{"libpq name", `could not translate host name "db" to address: Name or service not known`, logs.Unresolved, "db"},
		{"libpq closed", `server closed the connection unexpectedly`, logs.Closed, ""},
		{"redis-cli", `Could not connect to Redis at redis:6379: Connection refused`, logs.Refused, "redis:6379"},
		{"mysql", `ERROR 2003 (HY000): Can't connect to MySQL server on 'db:3306' (111)`, logs.Refused, "db:3306"},
		{"mysql quoted host", `Can't connect to MySQL server on 'db' (110)`, logs.Timeout, "db"},
		// shells
		{"curl refused", `curl: (7) Failed to connect to api port 8080 after 3 ms: Connection refused`, logs.Refused, "api:8080"},
		{"curl name", `curl: (6) Could not resolve host: api.shop`, logs.Unresolved, "api.shop"},
		{"curl empty", `curl: (52) Empty reply from server`, logs.Closed, ""},
		{"busybox wget", `wget: can't connect to remote host (10.96.1.1): Connection refused`, logs.Refused, "10.96.1.1"},
		{"busybox name", `wget: bad address 'api:8080'`, logs.Unresolved, "api:8080"},
		{"rust", `error: tcp connect error: Connection refused (os error 111)`, logs.Refused, ""},

		// Near misses.
		{"setting", `timeout: 30s`, "", ""},
		{"setting json", `{"connectTimeout":"5s","readTimeout":"30s","url":"http://api:8080"}`, "", ""},
		{"list of errors", `retryOn: ECONNREFUSED, ECONNRESET, ETIMEDOUT`, "", ""},
		{"retry rule with one", `retryable errors: connection refused`, "", ""},
		{"words alone", `the connection refused by peers is counted below`, "", ""},
		{"metric", `# HELP http_client_timeouts_total Number of timeouts`, "", ""},
		{"recovery", `reconnected to redis:6379 after connection reset`, "", ""},
		{"server's client tls", `http: TLS handshake error from 10.0.0.1:43210: EOF`, "", ""},
		{"server's client reset", `write tcp 10.1.1.5:8080->10.1.1.9:44444: write: broken pipe`, "", ""},
		{"nginx's client", `[info] 7#7: *3 recv() failed (104: Connection reset by peer) while reading client request line, client: 10.1.1.1, server: shop`, "", ""},
		{"postgres's client", `LOG:  could not receive data from client: Connection reset by peer`, "", ""},
		{"eof of a file", `parse config: EOF`, "", ""},
		{"success", `GET http://api:8080/ 200 OK`, "", ""},
		{"empty", ``, "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, ok := Recognise(tt.line)
			if ok != (tt.what != "") || c.What != tt.what || c.Target != tt.target {
				t.Errorf("got %q about %q (%v), want %q about %q\n%s", c.What, c.Target, ok, tt.what, tt.target, tt.line)
			}
		})
	}
}

func TestHostPort(t *testing.T) {
	tests := map[string]string{
		"api": "api", "API:8080": "api:8080", "api.shop.": "api.shop", "10.0.0.1": "10.0.0.1", "10.0.0.1:80": "10.0.0.1:80",
		"[::1]:80": "[::1]:80", "fd00::1": "fd00::1", "api:": "api", "10.0.0.1:0": "", "api:0": "", "api:70000": "", "api:8o": "",
		"a\x1b[31mb": "", "a b": "", "": "", "-a": "", "300.300.300.300": "", "1234": "", "fe80::1%eth0": "", strings.Repeat("a", 64): "",
	}
	for in, want := range tests {
		if got := hostPort(in); got != want {
			t.Errorf("hostPort(%q) = %q, want %q", in, got, want)
		}
	}
}

// plain tells whether a target holds only what names and addresses are made of.
func plain(s string) bool {
	for _, b := range []byte(s) {
		if !(b >= 'a' && b <= 'z' || b >= '0' && b <= '9' || strings.IndexByte(".:-_[]", b) >= 0) {
			return false
		}
	}
	return len(s) <= 300
}

func FuzzRecognise(f *testing.F) {
	for _, s := range []string{
		`Get "http://api:8080/": dial tcp 10.96.3.4:8080: connect: connection refused`,
		`connection refused: /`, `connectionpool(host='`, `upstream: "http://`, `lookup  on : no such host`,
		`read tcp 1.1.1.1:1->2.2.2.2:2: i/o timeout`, "Connection refused: [::", "İ connect to İ:80 connection refused",
	} {
		f.Add(s)
	}
	known := []string{logs.Refused, logs.Reset, logs.Closed, logs.Timeout, logs.Unreachable, logs.Unresolved}
	f.Fuzz(func(t *testing.T, line string) {
		c, ok := Recognise(line)
		switch {
		case !ok && c != (Complaint{}):
			t.Errorf("a line that is no complaint gave %+v", c)
		case ok && !slices.Contains(known, c.What):
			t.Errorf("%q is no declared value", c.What)
		case !plain(c.Target):
			t.Errorf("the target %q is not plain", c.Target)
		}
		if ap, err := netip.ParseAddrPort(c.Target); err == nil && ap.Port() == 0 {
			t.Errorf("the target %q has no port", c.Target)
		}
	})
}
