package tap

import (
	"strings"
	"testing"

	"lodge/internal/model"
)

func TestCommandLinesAreMasked(t *testing.T) {
	m := newMasker()
	for text, want := range map[string]string{
		"curl -s localhost:8000/?page=2":                                                       "curl -s localhost:8000/?page=2",
		"curl http://alice:hunter2@localhost/x?token=abc&a=1":                                  "curl http://alice:•••@localhost/x?token=•••&a=1",
		"curl -H 'X-Api-Key: abc' -H 'Cookie: a=b; c=d' -H 'Accept: text/html' x":              "curl -H 'X-Api-Key: •••' -H 'Cookie: •••' -H 'Accept: text/html' x",
		"curl -H 'Authorization: Bearer abc' x":                                                "curl -H 'Authorization: •••' x",
		"curl -u me:hidden x":                                                                  "curl -u me:••• x",
		"curl -b sid=hidden -s x":                                                              "curl -b sid=••• -s x",
		"curl --cookie 'a=hidden; b=hidden' x":                                                 "curl --cookie ••• x",
		`curl -d '{"query":"mutation{login(password:\"hidden\")}"}' x`:                         `curl -d '{"query":"mutation{login(password:\"•••\")}"}' x`,
		"curl -d '<a><Password>hidden</Password></a>' x":                                       "curl -d '<a><Password>•••</Password></a>' x",
		"curl http://h/a?to=https%3A%2F%2Fx%2F%3Ftoken%3Dhidden":                               "curl http://h/a?to=https%3A%2F%2Fx%2F%3Ftoken%3D•••",
		"curl -b cookies.txt -s x":                                                             "curl -b cookies.txt -s x",
		"/usr/bin/sshpass -p hidden ssh -p 2222 host":                                          "/usr/bin/sshpass -p ••• ssh -p 2222 host",
		"mongosh -u app -p hidden shop":                                                        "mongosh -u app -p ••• shop",
		"mosquitto_pub -h localhost -p 1883 -u app -P hidden -t a -m b":                        "mosquitto_pub -h localhost -p 1883 -u app -P ••• -t a -m b",
		"ldapsearch -x -D cn=admin -w hidden uid=a":                                            "ldapsearch -x -D cn=admin -w ••• uid=a",
		"ab -n 10 -A me:hidden http://h/":                                                      "ab -n 10 -A me:••• http://h/",
		"docker login -u me -p hidden registry:5000":                                           "docker login -u me -p ••• registry:5000",
		"docker run -p 8080:80 nginx":                                                          "docker run -p 8080:80 nginx",
		"curl --user me:hidden x":                                                              "curl --user me:••• x",
		"curl -d 'name=x&password=abc' x":                                                      "curl -d 'name=x&password=•••' x",
		"redis-cli -p 6379 -a hidden get k":                                                    "redis-cli -p 6379 -a ••• get k",
		"redis-cli AUTH default hidden":                                                        "redis-cli AUTH •••",
		"redis-cli CONFIG SET requirepass hidden":                                              "redis-cli CONFIG SET requirepass •••",
		"nats-server --user u --pass hidden":                                                   "nats-server --user u --pass •••",
		"mysql -u root -phidden shop":                                                          "mysql -u root -p••• shop",
		"app --db-password=hidden --verbose":                                                   "app --db-password=••• --verbose",
		"env DB_PASSWORD=hidden app":                                                           "env DB_PASSWORD=••• app",
		"postgres: app shop 127.0.0.1(40000) idle":                                             "postgres: app shop 127.0.0.1(40000) idle",
		"psql postgres://app:hidden@localhost/shop":                                            "psql postgres://app:•••@localhost/shop",
		"/usr/bin/python3 -m http.server 8000":                                                 "/usr/bin/python3 -m http.server 8000",
		"curl -H 'X-Session-Id: abc' -H 'Content-Type: text/plain' x":                          "curl -H 'X-Session-Id: •••' -H 'Content-Type: text/plain' x",
		"curl http://h/cb?code=abc&page=2&key=d":                                               "curl http://h/cb?code=•••&page=2&key=•••",
		`curl -d {"password":"abc","a":["b"]} x`:                                               `curl -d {"password":"•••","a":["b"]} x`,
		"app --session-token abc --verbose --client-secret=d x=token=e --page-token f":         "app --session-token ••• --verbose --client-secret=••• x=token=••• --page-token f",
		"ssh-agent -a /run/agent":                                                              "ssh-agent -a /run/agent",
		"java -Djavax.net.ssl.keyStorePassword=hidden -jar app.jar --spring.profiles.active=x": "java -Djavax.net.ssl.keyStorePassword=••• -jar app.jar --spring.profiles.active=x",
	} {
		if got := m.command(text); got != want {
			t.Errorf("%s\ngot  %s\nwant %s", text, got, want)
		}
	}
	list := []model.Process{{PID: 1, Command: "a"}, {PID: 2, Command: "b --token x"}}
	if got := m.processes(list); got[1].Command != "b --token •••" || list[1].Command != "b --token x" {
		t.Errorf("got %+v of %+v", got, list)
	}
	if got := m.command(strings.Repeat("--pass ", 100_000)); len(got) == 0 {
		t.Error("a long line is lost")
	}
}
