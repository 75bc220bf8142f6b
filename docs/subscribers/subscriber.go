// subscriber.go - follows what Braid publishes and prints each user's nearest item when it changes.
//
//	subscriber BROKERS INTERESTS_TOPIC ITEM_VECTORS_TOPIC
//
// Needs the modules of go.mod, and what protoc makes of the two .proto files of stream/interests, in
// the folder braid. A line is "USER GENERATION ITEM", or "USER gone".
package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"log"
	"math"
	"os"

	"braid/subscriber/braid"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/zeebo/xxh3"
	"google.golang.org/protobuf/proto"
)

// The newest record of each user; vectors by generation and item; generations that have all.
var (
	users   = map[string]*braid.InterestRecord{}
	vectors = map[uint64]map[string]*braid.ItemVector{}
	usable  = map[uint64]bool{}
	little  = binary.LittleEndian
)

func withFloats(layout []byte, values []float32) []byte {
	for _, value := range values {
		layout = little.AppendUint32(layout, math.Float32bits(value))
	}
	return layout
}

func withBytes(layout, text []byte) []byte {
	return append(little.AppendUint32(layout, uint32(len(text))), text...)
}

func check(layout []byte, checksum uint64, name []byte) {
	if xxh3.Hash(layout) != checksum {
		log.Fatalf("checksum of %s", name)
	}
}

// Fails unless the record is what its checksum says.
func checkRecord(record *braid.InterestRecord) {
	layout := withBytes(nil, record.User)
	layout = little.AppendUint64(layout, record.Generation)
	layout = little.AppendUint64(layout, record.From)
	layout = little.AppendUint64(layout, record.Events)
	layout = little.AppendUint64(layout, uint64(record.EventTimeMs))
	layout = little.AppendUint32(layout, record.Partition)
	layout = little.AppendUint64(layout, uint64(record.Offset))
	layout = little.AppendUint32(layout, uint32(len(record.Weights)))
	layout = little.AppendUint32(layout, record.Width)
	layout = withFloats(withFloats(layout, record.Vectors), record.Weights)
	if len(record.Intent) > 0 {
		layout = withFloats(little.AppendUint32(layout, 2), record.Intent)
	}
	check(layout, record.Checksum, record.User)
}

func checkedVector(value []byte) *braid.ItemVector {
	vector := &braid.ItemVector{}
	unmarshal(value, vector)
	layout := withBytes(little.AppendUint64(nil, vector.Generation), vector.Item)
	layout = withBytes(layout, vector.Category)
	layout = little.AppendUint32(layout, uint32(len(vector.Vector)))
	check(withFloats(layout, vector.Vector), vector.Checksum, vector.Item)
	return vector
}

func areAll(items map[string]*braid.ItemVector, value []byte) bool {
	end, sum := &braid.ItemsEnd{}, uint64(0)
	unmarshal(value, end)
	for _, vector := range items {
		sum += vector.Checksum
	}
	return end.Items == uint64(len(items)) && end.Checksum == sum
}

// The item that is nearest to any interest, among the vectors of the record's own generation.
func show(record *braid.InterestRecord) {
	best, nearest := float32(math.Inf(-1)), ""
	for name, item := range vectors[record.Generation] {
		for at := 0; at < len(record.Vectors); at += int(record.Width) {
			score := float32(0)
			for i, value := range item.Vector {
				score += value * record.Vectors[at+i]
			}
			if score > best {
				best, nearest = score, name
			}
		}
	}
	fmt.Printf("%s %d %s\n", record.User, record.Generation, nearest)
}

func takeRecord(user string, value []byte) {
	if value == nil { // a tombstone: the user is gone
		delete(users, user)
		fmt.Println(user, "gone")
		return
	}
	record := &braid.InterestRecord{}
	unmarshal(value, record)
	checkRecord(record)
	users[user] = record
	if usable[record.Generation] { // else its vectors are still to come
		show(record)
	}
}

func itemsOf(generation uint64) map[string]*braid.ItemVector {
	if vectors[generation] == nil {
		vectors[generation] = map[string]*braid.ItemVector{}
	}
	return vectors[generation]
}

func takeVector(key, value []byte) {
	generation, item := binary.BigEndian.Uint64(key), string(key[8:])
	if value == nil { // a tombstone: vectors of a generation that nobody is of are removed
		delete(usable, generation)
		delete(vectors[generation], item)
	} else if item != "" {
		itemsOf(generation)[item] = checkedVector(value)
	} else if !usable[generation] && areAll(vectors[generation], value) {
		usable[generation] = true
		for _, record := range users {
			if record.Generation == generation {
				show(record)
			}
		}
	}
}

func unmarshal(value []byte, message proto.Message) {
	if err := proto.Unmarshal(value, message); err != nil {
		log.Fatal(err)
	}
}

func main() {
	brokers, interestsTopic, itemsTopic := os.Args[1], os.Args[2], os.Args[3]
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers), kgo.ConsumeTopics(interestsTopic, itemsTopic),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		log.Fatal(err)
	}
	for {
		fetches := client.PollFetches(context.Background())
		fetches.EachError(func(topic string, partition int32, err error) {
			log.Fatalf("%s[%d]: %v", topic, partition, err)
		})
		fetches.EachRecord(func(message *kgo.Record) {
			if message.Topic == interestsTopic {
				takeRecord(string(message.Key), message.Value)
			} else {
				takeVector(message.Key, message.Value)
			}
		})
	}
}
