package test

import (
	"strings"
	"testing"
)

const nginxConf = `
daemon off;
master_process on;
worker_processes 1;
pid nginx.pid;
error_log stderr;
USER
events { worker_connections 64; }
http {
	access_log off;
	client_body_temp_path tmp/body;
	proxy_temp_path tmp/proxy;
	fastcgi_temp_path tmp/fastcgi;
	uwsgi_temp_path tmp/uwsgi;
	scgi_temp_path tmp/scgi;
	server {
		listen 8080;
		listen [::]:8080;
		default_type text/plain;
		location / { return 200 "nginx of @ALONE@ to $remote_addr\n"; }
	}
}
`

func TestNginx(t *testing.T) {
	need(t, "nginx")
	eachEngine(t, func(t *testing.T, e *env) {
		conf := strings.ReplaceAll(nginxConf, "USER", "")
		if e.uid == 0 {
			conf = strings.ReplaceAll(nginxConf, "USER", "user nobody nogroup;")
		}
		ps := e.pair("nginx.conf", conf, "tmp/keep", "",
			"lodge.toml", config("web", "nginx -p . -c nginx.conf -e stderr"))
		serves(t, ps, 8080, "/", says("nginx of"), localhosts...)
	})
}

// A port below 1024 can be bound inside with ebpf, also by a program without
// privilege; the seccomp engine gives nobody what the kernel does not.
func TestLowPort(t *testing.T) {
	needRoot(t)
	need(t, "setpriv")
	eachEngine(t, func(t *testing.T, e *env) {
		command := peerBin + " http localhost:80 'low @ALONE@'"
		if e.engine == ebpf {
			command = "setpriv --reuid=65534 --regid=65534 --clear-groups --bounding-set=-all --inh-caps=-all " + command
		}
		ps := e.pair("lodge.toml", config("web", command, "restart = 'never'"))
		if e.engine == ebpf {
			serves(t, ps, 80, "/", says("low"), "localhost")
			return
		}
		if r := ps[0].lodge("up", "-d"); r.code != 1 || !strings.Contains(r.stderr, "permission denied") {
			t.Errorf("port 80 as an ordinary user with seccomp: %v", r)
		}
	})
}

const nodeServer = `
const http = require("node:http");
const page = (where) => (req, res) => res.end("node " + where + " @ALONE@");
http.createServer(page("any")).listen(3000);
http.createServer(page("six")).listen(3001, "::");
http.createServer(page("local")).listen(3002, "localhost", function () {
  const { address, port } = this.address();
  console.log("bound", address, port);
});
`

func TestNode(t *testing.T) {
	need(t, "node")
	eachEngine(t, func(t *testing.T, e *env) {
		ps := e.pair("server.js", nodeServer, "lodge.toml", config("web", "node server.js"))
		serves(t, ps, 3000, "/", says("node any"), localhosts...)
		check(t, ps, 3001, "/", says("node six"), localhosts...)
		check(t, ps, 3002, "/", says("node local"), "localhost")
	})
}

const javaServer = `
import com.sun.net.httpserver.HttpServer;
import java.net.InetSocketAddress;

public class Server {
    public static void main(String[] args) throws Exception {
        HttpServer server = HttpServer.create(new InetSocketAddress(8080), 0);
        server.createContext("/", exchange -> {
            byte[] page = "java of @ALONE@".getBytes();
            exchange.sendResponseHeaders(200, page.length);
            exchange.getResponseBody().write(page);
            exchange.close();
        });
        server.start();
        System.out.println("bound " + server.getAddress());
    }
}
`

func TestJava(t *testing.T) {
	need(t, "java")
	eachEngine(t, func(t *testing.T, e *env) {
		ps := e.pair("Server.java", javaServer, "lodge.toml", config("web", "java -XX:TieredStopAtLevel=1 Server.java"))
		serves(t, ps, 8080, "/", says("java of"), localhosts...)
	})
}

func TestStaticGo(t *testing.T) {
	eachEngine(t, func(t *testing.T, e *env) {
		ps := e.pair("lodge.toml", config("local", peerBin+" http localhost:7001 'local @ALONE@'")+
			"[services.any]\ncommand = \""+peerBin+" http :7002 'any @ALONE@'\"\n"+
			"[services.four]\ncommand = \""+peerBin+" http 127.0.0.1:7003 'four @ALONE@'\"\n")
		serves(t, ps, 7001, "/", says("local"), "localhost", "127.0.0.1")
		check(t, ps, 7002, "/", says("any"), localhosts...)
		check(t, ps, 7003, "/", says("four"), "localhost", "127.0.0.1")
		for _, p := range ps {
			// The client is a static Go program too.
			if got := p.exec(peerBin, "get", "http://localhost:7002/"); !strings.Contains(got, "any "+p.name) {
				t.Errorf("peer get inside %s: %q", p.name, got)
			}
			if out := p.lodge("logs", "four").ok(t); !strings.Contains(out, "listening on 127.0.0.1:7003") {
				t.Errorf("%s: the program is told another address than it asked for: %q", p.name, out)
			}
		}
	})
}
