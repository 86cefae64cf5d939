// Command controller-runtime plays the scenarios of peers/README.md on controller-runtime: its
// client, its cache, a manager with a reconciler, and envtest.
package main

import (
	"context"
	"os"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"optilock/peers/client-go/experiment/scenario"
	"optilock/peers/client-go/experiment/strategy"
)

var scenarios = map[string]scenario.Func{
	"once":     updates(5, 1),
	"retry":    updates(5, 10),
	"crowd":    updates(50, 0),
	"crud":     crud,
	"watch":    watchAgain,
	"apply":    apply,
	"informer": informer,
	"expired":  expired,
	"manager":  manage,
	"envtest":  withEnvtest,
}

func main() {
	ctrl.SetLogger(logr.Discard())
	if len(os.Args) > 1 && os.Args[1] == "strategy" {
		os.Exit(strategy.Main(os.Args[2:], "create-or-update", map[string]strategy.Strategy{
			"create-or-update": createOrUpdate,
		}))
	}
	os.Exit(scenario.Main(os.Args[1:], scenarios))
}

// label is what the objects of a scenario are selected by.
const label = "scenario"

func newConfigMap(scenarioName, name, value string) *corev1.ConfigMap {
	return &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{
			Name:      name,
			Namespace: scenario.Namespace,
			Labels:    map[string]string{label: scenarioName},
		},
		Data: map[string]string{"a": value},
	}
}

// open is a client that asks the server for everything.
func open(config *rest.Config) (client.WithWatch, error) {
	return client.NewWithWatch(config, client.Options{})
}

// writer does writes and keeps the first error, so that a scenario reads as a list of them.
type writer struct {
	ctx    context.Context
	client client.Client
	err    error
}

func (w *writer) create(object client.Object) { w.keep(w.client.Create(w.ctx, object)) }
func (w *writer) update(object client.Object) { w.keep(w.client.Update(w.ctx, object)) }
func (w *writer) delete(object client.Object) { w.keep(w.client.Delete(w.ctx, object)) }

func (w *writer) keep(err error) {
	if w.err == nil {
		w.err = err
	}
}
