// Command schema writes what the embedded API server knows about the built-in types: it walks the
// Go types of k8s.io/api by reflection and asks a running kube-apiserver for what the Go types don't
// say (OpenAPI, discovery, tables). It also writes test vectors: objects and documents with what the
// Go code makes of them.
//
//	schema -kubeconfig F -data DIR -vectors DIR
package main

import (
	"flag"
	"fmt"
	"os"

	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	apiregistration "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"

	admission "k8s.io/api/admission/v1"
)

func main() {
	kubeconfig := flag.String("kubeconfig", "", "the cluster to ask")
	data := flag.String("data", "", "folder for types.txt, kinds.txt and resources.json")
	vectors := flag.String("vectors", "", "folder for the test vectors")
	flag.Parse()
	if err := run(*kubeconfig, *data, *vectors); err != nil {
		fmt.Fprintln(os.Stderr, "schema:", err)
		os.Exit(1)
	}
}

func run(kubeconfig, data, vectors string) error {
	if kubeconfig == "" || data == "" || vectors == "" {
		return fmt.Errorf("-kubeconfig, -data and -vectors are needed")
	}
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	server, err := connect(config)
	if err != nil {
		return err
	}
	types, err := allTypes()
	if err != nil {
		return err
	}
	resources, err := server.resources()
	if err != nil {
		return err
	}
	openapi, err := server.openapi()
	if err != nil {
		return err
	}
	kinds := servedKinds(types, resources)
	table, err := describe(kinds, openapi)
	if err != nil {
		return err
	}
	if err := writeTypes(data, table); err != nil {
		return err
	}
	if err := writeKinds(data, kinds); err != nil {
		return err
	}
	if err := writeResources(data, resources); err != nil {
		return err
	}
	return writeVectors(vectors, kinds)
}

// allTypes is every kind of every version that the Go modules know.
func allTypes() (*runtime.Scheme, error) {
	all := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		scheme.AddToScheme,
		apiextensions.AddToScheme,
		apiregistration.AddToScheme,
		admission.AddToScheme,
		meta.AddMetaToScheme,
	} {
		if err := add(all); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func connect(config *rest.Config) (*server, error) {
	config.QPS, config.Burst = -1, 0
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, err
	}
	return &server{base: config.Host, client: client}, nil
}
