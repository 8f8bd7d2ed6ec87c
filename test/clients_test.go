package test

import (
	"errors"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const pythonClient = `import sys, urllib.request
print(urllib.request.urlopen(sys.argv[1]).read().decode())
`

const nodeClient = `const https = require('node:https'), http2 = require('node:http2'), url = process.argv[2]
const text = (stream) => new Promise((ok, no) => { let s = ''; stream.on('data', (d) => s += d).on('end', () => ok(s)).on('error', no) })
;(async () => {
	console.log('fetch: ' + await (await fetch(url)).text())
	console.log('https: ' + await new Promise((ok, no) => https.get(url, (r) => text(r).then(ok)).on('error', no)))
	const session = http2.connect(url)
	session.on('error', (e) => { throw e })
	console.log('http2: ' + await text(session.request({ ':path': '/' })))
	session.close()
})()
`

const javaClient = `import java.net.URI;
import java.net.http.*;

public class Client {
    public static void main(String[] args) throws Exception {
        HttpClient c = HttpClient.newBuilder().version(HttpClient.Version.HTTP_2).build();
        HttpResponse<String> r = c.send(HttpRequest.newBuilder(URI.create(args[0])).build(), HttpResponse.BodyHandlers.ofString());
        System.out.println(r.version() + " " + r.body());
    }
}
`

// Programs that know nothing of lodge reach services by their names from inside
// a project, with the environment and the hosts file that they find there:
// their own project's services and another's.
func TestClients(t *testing.T) {
	python(t)
	for _, program := range []string{"curl", "wget", "node", "java", "keytool"} {
		need(t, program)
	}
	needModule(t, "requests")
	eachEngine(t, func(t *testing.T, e *env) {
		// What a person has set already stays as it is, so a machine that sets
		// these shows nothing of lodge's.
		e.environ = slices.DeleteFunc(e.environ, func(kv string) bool {
			key, _, _ := strings.Cut(kv, "=")
			return slices.Contains([]string{"SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"}, key)
		})
		ps := e.pair("lodge.toml", config("web", peerBin+" http :8130 'page of @ALONE@'"),
			"client.py", pythonClient, "client.js", nodeClient, "Client.java", javaClient)
		for _, p := range ps {
			p.up()
		}
		// Java has a list of its own, and no variable for it that is safe to give.
		store := filepath.Join(e.base, "store.p12")
		if out, err := exec.Command("keytool", "-importcert", "-noprompt", "-storetype", "PKCS12", "-storepass", "changeit",
			"-alias", "lodge", "-file", e.authority(), "-keystore", store).CombinedOutput(); err != nil {
			t.Fatalf("keytool: %v\n%s", err, out)
		}
		for i, p := range ps {
			for _, other := range ps {
				url, want := other.urlOf("web")+"/", "page of "+other.name
				for _, argv := range [][]string{
					{systemPython, "client.py", url},
					{systemPython, "-c", "import requests, sys; print(requests.get(sys.argv[1]).text)", url},
					{"curl", "--noproxy", "*", "-sS", "--http1.1", url},
					{"curl", "--noproxy", "*", "-sS", "--http2", url},
					{peerBin, "get", url},
				} {
					if got := p.exec(argv...); !strings.Contains(got, want) {
						t.Errorf("%s inside %s: %q, want %q", strings.Join(argv, " "), p.name, got, want)
					}
				}
				if i == 0 && other == p {
					continue // the slow ones ask the other project only
				}
				got := p.exec("node", "client.js", url)
				for _, by := range []string{"fetch: ", "https: ", "http2: "} {
					if !strings.Contains(got, by+want) {
						t.Errorf("node inside %s asks %s: %q, want %s%s", p.name, url, got, by, want)
					}
				}
				if i == 0 {
					got = p.exec("java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Djavax.net.ssl.trustStore="+store, "-Djavax.net.ssl.trustStorePassword=changeit", "Client.java", url)
					if !strings.Contains(got, "HTTP_2 "+want) {
						t.Errorf("java inside %s asks %s: %q", p.name, url, got)
					}
				}
			}
		}
	})
}

// grpcBin builds both sides of gRPC's interoperability tests, in a module of
// their own.
var grpcBin = once(func() (string, error) {
	bin := filepath.Join(filepath.Dir(peerBin), "grpc")
	cmd := exec.Command("go", "build", "-trimpath", "-o", bin, ".")
	cmd.Dir = "testdata/grpc"
	cmd.Env = append(cmd.Environ(), "CGO_ENABLED=0", "GOFLAGS=-mod=readonly", "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", errors.New("build testdata/grpc: " + err.Error() + "\n" + string(out))
	}
	return bin, nil
})

// gRPC's own tests, with lodge between the client (HTTP/2 over TLS, by name) and
// the server (HTTP/2 in the clear).
func TestGRPC(t *testing.T) {
	bin := grpcBin(t)
	eachEngine(t, func(t *testing.T, e *env) {
		p := e.project("calls", "lodge.toml", config("rpc", bin+" serve 127.0.0.1:50051"))
		p.up()
		target := strings.TrimPrefix(p.urlOf("rpc"), "https://")
		if !strings.Contains(target, ":") {
			target += ":443"
		}
		out := e.as(e.environ, p.dir, bin, "ask", target, e.authority(), "all of it").ok(t)
		if !strings.HasSuffix(out, "all of it") || strings.Count(out, "passed: ") != 12 {
			t.Errorf("gRPC's tests: %s", out)
		}
	})
}
