// Package all lists the protocols that lodge decodes.
package all

import (
	"slices"

	"lodge/internal/decode"
	"lodge/internal/decode/amqp"
	"lodge/internal/decode/dns"
	"lodge/internal/decode/grpc"
	"lodge/internal/decode/http1"
	"lodge/internal/decode/http2"
	"lodge/internal/decode/kafka"
	"lodge/internal/decode/memcached"
	"lodge/internal/decode/mongodb"
	"lodge/internal/decode/mqtt"
	"lodge/internal/decode/mysql"
	"lodge/internal/decode/nats"
	"lodge/internal/decode/postgresql"
	"lodge/internal/decode/protobuf"
	"lodge/internal/decode/redis"
	"lodge/internal/decode/tls"
	"lodge/internal/decode/websocket"
)

// Protocols returns all protocols, in the order in which they are asked whether they
// recognise a connection: those that a few bytes prove come first. What is
// inside TLS is decrypted where c has keys; its protocols are these.
func Protocols(c tls.Config) []*decode.Protocol { return With(c, new(protobuf.Files)) }

// With is [Protocols] with what is known of gRPC's services; what reflection tells is
// added to it.
func With(c tls.Config, d *protobuf.Files) []*decode.Protocol {
	plain := []*decode.Protocol{
		http2.New(http2.Config{
			Layers:  []http2.Layer{grpc.Layer(d)},
			Tunnels: map[string]*decode.Protocol{websocket.Name: websocket.Protocol()},
		}),
		http1.New(http1.Config{Layers: []http1.Layer{grpc.Layer1(d)}}),
		websocket.Protocol(),
		amqp.Protocol(),
		mysql.Protocol(),
		postgresql.Protocol(),
		mongodb.Protocol(),
		kafka.Protocol(),
		mqtt.Protocol(),
		nats.Protocol(),
		redis.Protocol(),
		memcached.Protocol(),
		memcached.Datagrams(),
		dns.Protocol(),
		dns.DatagramProtocol(),
	}
	c.Inside = plain
	return append([]*decode.Protocol{tls.New(c)}, plain...)
}

// Names returns the names of all protocols, each once.
func Names() []string {
	var out []string
	for _, p := range Protocols(tls.Config{}) {
		if !slices.Contains(out, p.Name) {
			out = append(out, p.Name)
		}
	}
	return out
}
