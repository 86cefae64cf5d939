// Command discovery records what a kube-apiserver tells about itself: the documents of discovery and
// OpenAPI, and the rows of tables of objects that it creates for the purpose and deletes afterwards.
// The embedded API server's tests compare its own answers with these.
//
//	discovery -kubeconfig F -data DIR
//
// DIR is crates/optilock-apiserver/tests/data/discovery: objects.jsonl in it is read, the rest is
// written.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

func main() {
	kubeconfig := flag.String("kubeconfig", "", "the cluster to ask: a kube-apiserver without controllers")
	data := flag.String("data", "", "folder with objects.jsonl, and for what is recorded")
	flag.Parse()
	if err := run(*kubeconfig, *data); err != nil {
		fmt.Fprintln(os.Stderr, "discovery:", err)
		os.Exit(1)
	}
}

func run(kubeconfig, data string) error {
	if kubeconfig == "" || data == "" {
		return errors.New("-kubeconfig and -data are needed")
	}
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	config.QPS = -1
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return err
	}
	server := &server{base: config.Host, client: client}
	if err := recordDocuments(server, filepath.Join(data, "documents.jsonl")); err != nil {
		return err
	}
	if err := recordOpenAPI(server, data); err != nil {
		return err
	}
	return recordTables(server, data)
}

type server struct {
	base   string
	client *http.Client
}

// send makes a request. The body is JSON, unless the header says otherwise.
func (s *server) send(method, path string, header http.Header, body any) (*http.Response, []byte, error) {
	var encoded io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return nil, nil, err
		}
		encoded = bytes.NewReader(text)
	}
	request, err := http.NewRequest(method, s.base+path, encoded)
	if err != nil {
		return nil, nil, err
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	for name, values := range header {
		request.Header[name] = values
	}
	response, err := s.client.Do(request)
	if err != nil {
		return nil, nil, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, nil, err
	}
	if response.StatusCode >= 300 {
		return nil, nil, fmt.Errorf("%s %s: %s: %s", method, path, response.Status, text)
	}
	return response, text, nil
}

// get decodes an answer.
func (s *server) get(path, accept string, into any) (*http.Response, error) {
	header := http.Header{"Accept": {accept}}
	response, text, err := s.send(http.MethodGet, path, header, nil)
	if err != nil {
		return nil, err
	}
	return response, json.Unmarshal(text, into)
}

// lines writes values as JSON, one a line.
func lines(path string, values []any) error {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	for _, value := range values {
		if err := encoder.Encode(value); err != nil {
			return err
		}
	}
	return os.WriteFile(path, out.Bytes(), 0o644)
}
