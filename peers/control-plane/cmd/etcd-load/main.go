// Command etcd-load measures compare-and-swaps per second of an etcd: the load of
// crates/optilock-apiserver/benches/store.rs, with etcd's own client.
//
//	etcd-load ENDPOINT SECONDS [LOAD...]
//
// Each line has the store, what is written (keys: every writer has a key of its own; key: all have one), how many
// writers, and the rate. Without a LOAD both are measured.
package main

import (
	"bytes"
	"context"
	"fmt"
	"log"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// The size of a Deployment, roughly.
const valueBytes = 1500

func main() {
	if len(os.Args) < 3 {
		log.Fatal("usage: etcd-load ENDPOINT SECONDS [LOAD...]")
	}
	seconds, err := strconv.ParseFloat(os.Args[2], 64)
	if err != nil {
		log.Fatal(err)
	}
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{os.Args[1]}, DialTimeout: 10 * time.Second})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	loads := os.Args[3:]
	if len(loads) == 0 {
		loads = []string{"keys", "key"}
	}
	for _, load := range loads {
		for _, writers := range []int{1, 8, 32, 128} {
			rate := swaps(client, load, writers, time.Duration(seconds*float64(time.Second)))
			fmt.Printf("etcd %s %d %.0f\n", load, writers, rate)
		}
	}
}

// swaps returns the successful swaps per second.
func swaps(client *clientv3.Client, load string, writers int, limit time.Duration) float64 {
	value := string(bytes.Repeat([]byte("x"), valueBytes))
	var done atomic.Int64
	var all sync.WaitGroup
	started := time.Now()
	for writer := range writers {
		all.Add(1)
		go func() {
			defer all.Done()
			key := fmt.Sprintf("/%s-%d/%d", load, writers, writer)
			if load == "key" {
				key = fmt.Sprintf("/%s-%d", load, writers)
			}
			var revision int64
			for time.Since(started) < limit {
				next, swapped, err := swap(client, key, revision, value)
				if err != nil {
					log.Fatal(err)
				}
				if swapped {
					done.Add(1)
				}
				revision = next
			}
		}()
	}
	all.Wait()
	return float64(done.Load()) / time.Since(started).Seconds()
}

// swap writes a key if it was last changed at a revision, 0 for one that is not there, and returns its revision. It asks as
// kube-apiserver does, because some that stand for etcd know nothing else.
func swap(client *clientv3.Client, key string, revision int64, value string) (int64, bool, error) {
	ctx := context.Background()
	transaction := client.Txn(ctx).
		If(clientv3.Compare(clientv3.ModRevision(key), "=", revision)).
		Then(clientv3.OpPut(key, value))
	if revision != 0 {
		transaction = transaction.Else(clientv3.OpGet(key))
	}
	answer, err := transaction.Commit()
	if err != nil {
		return 0, false, err
	}
	if answer.Succeeded {
		return answer.Header.Revision, true, nil
	}
	if revision != 0 {
		return answer.Responses[0].GetResponseRange().Kvs[0].ModRevision, false, nil
	}
	there, err := client.Get(ctx, key)
	if err != nil {
		return 0, false, err
	}
	return there.Kvs[0].ModRevision, false, nil
}
