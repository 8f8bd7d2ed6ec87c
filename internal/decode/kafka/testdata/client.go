// Command client makes the traffic of the captures in this directory, and is the
// broker for it.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

func must[T any](v T, err error) T {
	check(err)
	return v
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	switch part := os.Args[1]; part {
	case "franz":
		talk(ctx, kgo.ClientID("shop"))
	case "old":
		talk(ctx, kgo.ClientID("old"), kgo.MaxVersions(kversion.V0_11_0()))
	case "admin":
		administer(ctx, kversion.Stable())
		administer(ctx, kversion.V2_0_0())
	case "sasl":
		for _, m := range []sasl.Mechanism{
			plain.Auth{User: "app", Pass: "sesame"}.AsMechanism(),
			plain.Auth{User: "app", Pass: "guess"}.AsMechanism(),
			scram.Auth{User: "app", Pass: "sesame"}.AsSha256Mechanism(),
		} {
			c := must(kgo.NewClient(kgo.SeedBrokers("127.0.0.1:9092"), kgo.SASL(m), kgo.DisableClientMetrics()))
			fmt.Println(c.Ping(ctx))
			c.Close()
		}
	default:
		broker(part)
	}
}

// administer sends what tools for administrators do, and a transaction that commits
// offsets; records have each codec.
func administer(ctx context.Context, v *kversion.Versions) {
	base := []kgo.Opt{kgo.SeedBrokers("127.0.0.1:9092"), kgo.RequestTimeoutOverhead(2 * time.Second), kgo.ClientID("admin"), kgo.MaxVersions(v), kgo.DisableClientMetrics()}
	for i, codec := range []kgo.CompressionCodec{kgo.SnappyCompression(), kgo.Lz4Compression(), kgo.ZstdCompression()} {
		c := must(kgo.NewClient(append(base, kgo.DefaultProduceTopic("shop"), kgo.ProducerBatchCompression(codec))...))
		check(c.ProduceSync(ctx, kgo.StringRecord(strings.Repeat(fmt.Sprintf("codec %d ", i), 40))).FirstErr())
		c.Close()
	}
	c := must(kgo.NewClient(base...))
	defer c.Close()
	a := kadm.NewClient(c)
	show := func(what string, _ any, err error) { fmt.Println(what, err) }
	one := func(what string, err error) { fmt.Println(what, err) }

	// A group, and a transaction that commits its offsets.
	g := must(kgo.NewGroupTransactSession(append(base, kgo.TransactionalID("till"), kgo.ConsumerGroup("readers"), kgo.ConsumeTopics("shop"),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxWait(200*time.Millisecond), kgo.DefaultProduceTopic("shop"))...))
	check(g.Begin())
	g.PollFetches(ctx)
	one("produce", g.Client().ProduceSync(ctx, kgo.StringRecord("in a transaction")).FirstErr())
	_, err := g.End(ctx, kgo.TryCommit)
	one("end", err)
	described, err := a.DescribeGroups(ctx, "readers", "absent")
	show("describe groups", described, err)
	g.Close()

	groups, err := a.ListGroups(ctx)
	show("list groups", groups, err)
	cluster, err := a.Metadata(ctx)
	show("metadata", cluster, err)
	made, err := a.CreateTopics(ctx, 2, 1, nil, "short")
	show("create topics", made, err)
	more, err := a.CreatePartitions(ctx, 3, "short", "absent")
	show("create partitions", more, err)
	altered, err := a.AlterTopicConfigs(ctx, []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "retention.ms", Value: kadm.StringPtr("1000")}}, "short")
	show("alter", altered, err)
	state, err := a.AlterTopicConfigsState(ctx, []kadm.AlterConfig{{Name: "retention.ms", Value: kadm.StringPtr("2000")}}, "short")
	show("alter all", state, err)
	configs, err := a.DescribeTopicConfigs(ctx, "short", "absent")
	show("configs", configs, err)
	epochs, err := a.OffsetForLeaderEpoch(ctx, offsetRequest())
	show("epochs", epochs, err)
	deletion := kadm.Offsets{}
	deletion.AddOffset("shop", 0, 1, -1)
	deleted, err := a.DeleteRecords(ctx, deletion)
	show("delete records", deleted, err)
	topics := kadm.TopicsSet{}
	topics.Add("shop", 0)
	offsets, err := a.DeleteOffsets(ctx, "readers", topics)
	show("delete offsets", offsets, err)
	gone, err := a.DeleteGroups(ctx, "readers", "absent")
	show("delete groups", gone, err)
	brokers, err := kmsg.NewPtrDescribeClusterRequest().RequestWith(ctx, c)
	show("cluster", brokers, err)
	wanted := kmsg.NewPtrDescribeTopicPartitionsRequest()
	wanted.ResponsePartitionLimit = 1
	for _, name := range []string{"short", "absent"} {
		t := kmsg.NewDescribeTopicPartitionsRequestTopic()
		t.Topic = name
		wanted.Topics = append(wanted.Topics, t)
	}
	parts, err := wanted.RequestWith(ctx, c)
	show("partitions", parts, err)
	dropped, err := a.DeleteTopics(ctx, "short", "absent")
	show("delete topics", dropped, err)

	dirs, err := a.DescribeAllLogDirs(ctx, nil)
	show("log directories", dirs, err)
	elected, err := a.ElectLeaders(ctx, kadm.ElectPreferredReplica, topics)
	show("elect leaders", elected, err)
	producers, err := a.DescribeProducers(ctx, topics)
	show("producers", producers, err)
	transactions, err := a.ListTransactions(ctx, nil, nil)
	show("list transactions", transactions, err)
	state2, err := a.DescribeTransactions(ctx, "till", "absent")
	show("transactions", state2, err)

	// A group of the newer protocol.
	beat := kmsg.NewPtrConsumerGroupHeartbeatRequest()
	beat.Group, beat.MemberID, beat.RebalanceTimeoutMillis = "newer", "8e9b7f3c-0000-4000-8000-000000000001", 45000
	beat.SubscribedTopicNames, beat.Topics = []string{"shop"}, []kmsg.ConsumerGroupHeartbeatRequestTopic{}
	beaten, err := beat.RequestWith(ctx, c)
	show("heartbeat", beaten, err)
	newer := kmsg.NewPtrConsumerGroupDescribeRequest()
	newer.Groups = []string{"newer", "absent"}
	group, err := newer.RequestWith(ctx, c)
	show("group", group, err)
	telemetry, err := kmsg.NewPtrGetTelemetrySubscriptionsRequest().RequestWith(ctx, c)
	show("telemetry", telemetry, err)
	pushed, err := kmsg.NewPtrPushTelemetryRequest().RequestWith(ctx, c)
	show("push", pushed, err)
}

func offsetRequest() kadm.OffsetForLeaderEpochRequest {
	var r kadm.OffsetForLeaderEpochRequest
	r.Add("shop", 0, 0)
	return r
}

func broker(part string) {
	o := []kfake.Opt{kfake.NumBrokers(1), kfake.Ports(9092), kfake.SeedTopics(2, "shop")}
	if part == "broker-sasl" {
		o = append(o, kfake.EnableSASL(), kfake.Superuser("PLAIN", "app", "sesame"), kfake.Superuser("SCRAM-SHA-256", "app", "sesame"))
	}
	must(kfake.NewCluster(o...))
	fmt.Println("ready")
	select {}
}

func talk(ctx context.Context, more ...kgo.Opt) {
	base := append([]kgo.Opt{kgo.SeedBrokers("127.0.0.1:9092"), kgo.RequestTimeoutOverhead(2 * time.Second)}, more...)
	c := must(kgo.NewClient(append(base, kgo.DefaultProduceTopic("shop"), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchCompression(kgo.GzipCompression()))...))
	check(c.ProduceSync(ctx,
		&kgo.Record{Key: []byte("a"), Value: []byte(`{"order":1}`), Headers: []kgo.RecordHeader{{Key: "trace", Value: []byte("abc")}}},
		&kgo.Record{Key: []byte("b"), Value: []byte(strings.Repeat("order 2 ", 300)), Partition: 1},
		&kgo.Record{Value: []byte("no key")},
	).FirstErr())
	a := kadm.NewClient(c)
	for range 2 {
		r := must(a.CreateTopics(ctx, 1, 1, map[string]*string{"retention.ms": kadm.StringPtr("1000")}, "made"))
		fmt.Println(r["made"].Err)
	}
	must(a.ListEndOffsets(ctx, "shop"))
	must(a.DescribeTopicConfigs(ctx, "shop"))
	must(a.ListGroups(ctx))
	c.Close()

	// A group of two readers, one after the other.
	for range 2 {
		g := must(kgo.NewClient(append(base, kgo.ConsumerGroup("readers"), kgo.ConsumeTopics("shop"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
			kgo.HeartbeatInterval(300*time.Millisecond), kgo.FetchMaxWait(200*time.Millisecond), kgo.DisableAutoCommit())...))
		poll, stop := context.WithTimeout(ctx, 2*time.Second)
		for n := 0; n < 3; {
			f := g.PollFetches(poll)
			if poll.Err() != nil {
				break
			}
			n += f.NumRecords()
		}
		stop()
		check(g.CommitUncommittedOffsets(ctx))
		g.Close()
	}

	// A transaction, an acknowledgement that is not waited for, a topic that is
	// not there.
	x := must(kgo.NewClient(append(base, kgo.TransactionalID("till"), kgo.DefaultProduceTopic("shop"))...))
	check(x.BeginTransaction())
	check(x.ProduceSync(ctx, kgo.StringRecord("in a transaction")).FirstErr())
	check(x.EndTransaction(ctx, kgo.TryCommit))
	x.Close()
	n := must(kgo.NewClient(append(base, kgo.RequiredAcks(kgo.NoAck()), kgo.DisableIdempotentWrite(), kgo.DefaultProduceTopic("shop"))...))
	check(n.ProduceSync(ctx, kgo.StringRecord("unheard")).FirstErr())
	n.Close()
	u := must(kgo.NewClient(append(base, kgo.UnknownTopicRetries(0), kgo.DefaultProduceTopic("absent"))...))
	fmt.Println(u.ProduceSync(ctx, kgo.StringRecord("to nowhere")).FirstErr())
	u.Close()
}
