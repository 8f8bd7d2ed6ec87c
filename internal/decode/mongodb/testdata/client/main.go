// Command client sends what programs with MongoDB's driver for Go send.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/bson/primitive"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"
	"go.mongodb.org/mongo-driver/mongo/writeconcern"
)

func main() {
	o := options.Client().ApplyURI("mongodb://127.0.0.1:" + os.Args[2] + "/?directConnection=true").
		SetServerSelectionTimeout(2 * time.Second).SetMaxPoolSize(2)
	if len(os.Args) > 3 {
		o.SetCompressors(os.Args[3:])
	}
	ctx := context.Background()
	c, err := mongo.Connect(ctx, o)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Disconnect(ctx)
	if err := c.Ping(ctx, nil); err != nil {
		log.Fatal(err)
	}
	if os.Args[1] == "session" {
		session(ctx, c)
	}
}

// show prints an error, if there is one.
func show(what string, err error) {
	if err != nil {
		fmt.Println(what, err)
	}
}

func session(ctx context.Context, c *mongo.Client) {
	db := c.Database("shop")
	show("drop", db.Drop(ctx))
	users := db.Collection("users")
	var many []any
	for i := range 7 {
		many = append(many, bson.D{{Key: "_id", Value: i}, {Key: "name", Value: fmt.Sprintf("user %d", i)}, {Key: "age", Value: 20 + i*5}, {Key: "tags", Value: bson.A{"a", "b"}}})
	}
	_, err := users.InsertMany(ctx, many)
	show("insert", err)
	_, err = users.InsertOne(ctx, bson.D{{Key: "_id", Value: 3}})
	show("duplicate", err)
	cursor, err := users.Find(ctx, bson.D{{Key: "age", Value: bson.D{{Key: "$gt", Value: 21}}}}, options.Find().SetBatchSize(2).SetSort(bson.D{{Key: "_id", Value: 1}}))
	show("find", err)
	var found []bson.M
	show("all", cursor.All(ctx, &found))
	cursor, err = users.Find(ctx, bson.D{}, options.Find().SetBatchSize(2))
	show("find", err)
	cursor.Next(ctx)
	show("close", cursor.Close(ctx))
	_, err = users.UpdateMany(ctx, bson.D{{Key: "age", Value: bson.D{{Key: "$in", Value: bson.A{25, 30}}}}}, bson.D{{Key: "$set", Value: bson.D{{Key: "seen", Value: true}}}})
	show("update", err)
	_, err = users.BulkWrite(ctx, []mongo.WriteModel{
		mongo.NewInsertOneModel().SetDocument(bson.D{{Key: "_id", Value: 100}}),
		mongo.NewUpdateOneModel().SetFilter(bson.D{{Key: "_id", Value: 100}}).SetUpdate(bson.D{{Key: "$inc", Value: bson.D{{Key: "n", Value: 1}}}}),
		mongo.NewDeleteOneModel().SetFilter(bson.D{{Key: "_id", Value: 100}}),
	})
	show("bulk", err)
	show("modify", users.FindOneAndUpdate(ctx, bson.D{{Key: "_id", Value: 1}}, bson.D{{Key: "$set", Value: bson.D{{Key: "x", Value: 1.5}}}}).Err())
	_, err = users.CountDocuments(ctx, bson.D{{Key: "age", Value: bson.D{{Key: "$gte", Value: 30}}}})
	show("count", err)
	_, err = users.Distinct(ctx, "name", bson.D{})
	show("distinct", err)
	cursor, err = users.Aggregate(ctx, mongo.Pipeline{
		{{Key: "$match", Value: bson.D{{Key: "age", Value: bson.D{{Key: "$lt", Value: 50}}}}}},
		{{Key: "$group", Value: bson.D{{Key: "_id", Value: "$age"}, {Key: "n", Value: bson.D{{Key: "$sum", Value: 1}}}}}},
	})
	show("aggregate", err)
	if err == nil {
		show("all", cursor.All(ctx, &found))
	}
	_, err = users.Indexes().CreateOne(ctx, mongo.IndexModel{Keys: bson.D{{Key: "name", Value: 1}}})
	show("index", err)
	id, _ := primitive.ObjectIDFromHex("0123456789abcdef01234567")
	decimal, _ := primitive.ParseDecimal128("1.50")
	_, err = db.Collection("types").InsertOne(ctx, bson.D{
		{Key: "_id", Value: id}, {Key: "when", Value: time.UnixMilli(1700000000123)}, {Key: "bytes", Value: []byte{1, 2, 3}}, {Key: "null", Value: nil}, {Key: "yes", Value: true},
		{Key: "re", Value: primitive.Regex{Pattern: "^a", Options: "i"}}, {Key: "stamp", Value: primitive.Timestamp{T: 1, I: 2}}, {Key: "long", Value: int64(1) << 40},
		{Key: "text", Value: "grüße \"€\"\n"}, {Key: "empty", Value: bson.D{}},
	})
	show("types", err)
	_, err = db.Collection("types").InsertOne(ctx, bson.D{{Key: "_id", Value: "d"}, {Key: "decimal", Value: decimal}})
	show("decimal", err)
	show("find", db.Collection("types").FindOne(ctx, bson.D{{Key: "_id", Value: id}}).Err())
	_, err = db.Collection("big").InsertOne(ctx, bson.D{{Key: "_id", Value: 1}, {Key: "x", Value: strings.Repeat("0123456789", 1000)}})
	show("big", err)
	show("find", db.Collection("big").FindOne(ctx, bson.D{}).Err())
	fast := db.Collection("users", options.Collection().SetWriteConcern(writeconcern.Unacknowledged()))
	_, err = fast.InsertOne(ctx, bson.D{{Key: "_id", Value: 200}})
	show("unacknowledged", err)
	show("fail", db.RunCommand(ctx, bson.D{{Key: "nosuchcommand", Value: 1}}).Err())
	show("stats", db.RunCommand(ctx, bson.D{{Key: "collStats", Value: "missing"}}).Err())
	names, err := db.ListCollectionNames(ctx, bson.D{})
	show("names", err)
	fmt.Println(names)
	_, err = users.DeleteMany(ctx, bson.D{{Key: "age", Value: bson.D{{Key: "$gt", Value: 0}}}})
	show("delete", err)
	show("drop", users.Drop(ctx))
}
