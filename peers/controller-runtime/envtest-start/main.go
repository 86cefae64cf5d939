// Command envtest-start has controller-runtime's envtest start an etcd and a kube-apiserver from a folder, asks the server something,
// and says how long it took from the start of the program to the first answer. They are stopped before it ends.
//
//	envtest-start FOLDER
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

func main() {
	began := time.Now()
	if len(os.Args) != 2 {
		log.Fatal("usage: envtest-start FOLDER")
	}
	environment := &envtest.Environment{BinaryAssetsDirectory: os.Args[1]}
	first := func() error {
		config, err := environment.Start()
		if err != nil {
			return err
		}
		api, err := client.New(config, client.Options{})
		if err != nil {
			return err
		}
		return api.Get(context.Background(), client.ObjectKey{Name: "default"}, &corev1.Namespace{})
	}
	err := first()
	took := time.Since(began)
	// Also what was started before something failed.
	if stopped := environment.Stop(); err == nil {
		err = stopped
	}
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("{\"first_us\":%d}\n", took.Microseconds())
}
