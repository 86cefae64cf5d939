package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"

	"optilock/peers/client-go/experiment/scenario"
)

// selector is of the objects of the scenario.
const selector = "scenario=expired"

// pause is between two looks at whether the server has forgotten.
const pause = 50 * time.Millisecond

// world is the server as it is without the proxy. After the first error nothing is done.
type world struct {
	client kubernetes.Interface
	etcd   string
	err    error
}

// put makes a ConfigMap, or gives it another value, and returns its version.
func (w *world) put(ctx context.Context, name, value string) string {
	if w.err != nil {
		return ""
	}
	maps := w.client.CoreV1().ConfigMaps(scenario.Namespace)
	object := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"scenario": "expired"}},
		Data:       map[string]string{"a": value},
	}
	made, err := maps.Create(ctx, object, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		made, err = maps.Update(ctx, object, metav1.UpdateOptions{})
	}
	w.err = err
	return made.ResourceVersion
}

func (w *world) delete(ctx context.Context, name string) {
	if w.err == nil {
		w.err = w.client.CoreV1().ConfigMaps(scenario.Namespace).Delete(ctx, name, metav1.DeleteOptions{})
	}
}

// remove leaves nothing behind.
func (w *world) remove() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	ours := metav1.ListOptions{LabelSelector: selector}
	err := w.client.CoreV1().ConfigMaps(scenario.Namespace).DeleteCollection(ctx, metav1.DeleteOptions{}, ours)
	if err != nil && w.err == nil {
		fmt.Println("gap: removing its objects:", err)
	}
}

// forget has the server forget what was before now, and returns when a watch from that version is refused.
func (w *world) forget(ctx context.Context, version string) {
	for w.err == nil {
		w.err = w.compact(ctx)
		if w.err != nil || w.hasForgotten(ctx, version) {
			return
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			w.err = fmt.Errorf("the server still knows version %s: %w", version, context.Cause(ctx))
		}
	}
}

// hasForgotten is whether a watch from a version begins with the error 410.
func (w *world) hasForgotten(ctx context.Context, version string) bool {
	options := metav1.ListOptions{LabelSelector: selector, ResourceVersion: version}
	events, err := w.client.CoreV1().ConfigMaps(scenario.Namespace).Watch(ctx, options)
	if err != nil {
		return w.isExpired(err)
	}
	defer events.Stop()
	event, err := scenario.Next(ctx, events.ResultChan())
	if err != nil {
		w.err = err
		return false
	}
	return event.Type == watch.Error && w.isExpired(apierrors.FromObject(event.Object))
}

func (w *world) isExpired(err error) bool {
	expired := apierrors.IsResourceExpired(err) || apierrors.IsGone(err)
	if !expired {
		w.err = err
	}
	return expired
}

// compact makes history go: by a change, after which a server that keeps little drops what is older, or by etcd, in the
// way of kube-apiserver's own compactor, whose key the caches follow.
func (w *world) compact(ctx context.Context) error {
	touch := fmt.Sprintf(`{"metadata":{"annotations":{"touched":"%d"}}}`, time.Now().UnixNano())
	maps := w.client.CoreV1().ConfigMaps(scenario.Namespace)
	if _, err := maps.Patch(ctx, "kept", types.MergePatchType, []byte(touch), metav1.PatchOptions{}); err != nil || w.etcd == "" {
		return err
	}
	var status struct {
		Header struct {
			Revision string `json:"revision"`
		} `json:"header"`
	}
	if err := w.call(ctx, "/v3/maintenance/status", map[string]any{}, &status); err != nil {
		return err
	}
	revision := status.Header.Revision
	encode := func(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }
	at := map[string]any{"key": encode("compact_rev_key"), "value": encode(revision)}
	if err := w.call(ctx, "/v3/kv/put", at, nil); err != nil {
		return err
	}
	return w.call(ctx, "/v3/kv/compaction", map[string]any{"revision": revision, "physical": true}, nil)
}

// call is one to etcd's JSON gateway.
func (w *world) call(ctx context.Context, path string, body, answer any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, w.etcd+path, bytes.NewReader(text))
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	said, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s%s: %s: %s", w.etcd, path, response.Status, said)
	}
	if answer == nil {
		return nil
	}
	return json.Unmarshal(said, answer)
}
