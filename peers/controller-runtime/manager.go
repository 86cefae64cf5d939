package main

import (
	"context"
	"fmt"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"optilock/peers/client-go/experiment/scenario"
)

// finalizer keeps a source until its copy is gone.
const finalizer = "peers.example.com/copy"

func selector(scenarioName string) labels.Selector {
	return labels.SelectorFromSet(labels.Set{label: scenarioName})
}

// copier makes a Secret of every ConfigMap of the scenario, and takes it away again.
type copier struct {
	client client.Client
	// done tells what a reconciliation has changed.
	done chan string
}

// Reconcile brings the copy of one ConfigMap up to date.
func (c *copier) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	var source corev1.ConfigMap
	if err := c.client.Get(ctx, request.NamespacedName, &source); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	duplicate := &corev1.Secret{}
	duplicate.Namespace, duplicate.Name = source.Namespace, source.Name
	if !source.DeletionTimestamp.IsZero() {
		if !controllerutil.RemoveFinalizer(&source, finalizer) {
			return ctrl.Result{}, nil
		}
		if err := client.IgnoreNotFound(c.client.Delete(ctx, duplicate)); err != nil {
			return ctrl.Result{}, err
		}
		return ctrl.Result{}, c.report(ctx, "removed", source.Name, c.client.Update(ctx, &source))
	}
	if controllerutil.AddFinalizer(&source, finalizer) {
		if err := c.client.Update(ctx, &source); err != nil {
			return ctrl.Result{}, err
		}
	}
	result, err := controllerutil.CreateOrUpdate(ctx, c.client, duplicate, func() error {
		duplicate.Labels = source.Labels
		duplicate.Data = map[string][]byte{"a": []byte(source.Data["a"])}
		return controllerutil.SetControllerReference(&source, duplicate, c.client.Scheme())
	})
	if err == nil && result == controllerutil.OperationResultNone {
		return ctrl.Result{}, nil
	}
	return ctrl.Result{}, c.report(ctx, string(result), source.Name, err)
}

// report tells what was done. A conflict or an object that is there already means that the cache
// was behind: the controller tries again.
func (c *copier) report(ctx context.Context, what, name string, err error) error {
	if err != nil {
		return err
	}
	select {
	case c.done <- fmt.Sprintf("%s %s", what, name):
	case <-ctx.Done():
	}
	return nil
}

// manage runs a manager with a reconciler.
func manage(ctx context.Context, config *rest.Config) (any, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	manager, err := ctrl.NewManager(config, ctrl.Options{
		// Nobody asks for them, and a fixed port may be taken.
		Metrics: metricsserver.Options{BindAddress: "0"},
		Cache:   cache.Options{DefaultLabelSelector: selector("manager")},
		// With a lease: the first thing that many managers ask for.
		LeaderElection:                true,
		LeaderElectionID:              "manager",
		LeaderElectionNamespace:       scenario.Namespace,
		LeaderElectionReleaseOnCancel: true,
	})
	if err != nil {
		return nil, err
	}
	reconciler := &copier{client: manager.GetClient(), done: make(chan string)}
	err = ctrl.NewControllerManagedBy(manager).For(&corev1.ConfigMap{}).Owns(&corev1.Secret{}).
		Named("copier").Complete(reconciler)
	if err != nil {
		return nil, err
	}
	stopped := make(chan error, 1)
	go func() { stopped <- manager.Start(ctx) }()

	api, err := open(config)
	if err != nil {
		return nil, err
	}
	var steps scenario.Steps
	next := func() {
		event, err := scenario.Next(ctx, reconciler.done)
		steps.Add(err, "%s", event)
	}
	source := newConfigMap("manager", "source", "1")
	steps.Add(api.Create(ctx, source), "source is there")
	next()
	patch := client.RawPatch("application/merge-patch+json", []byte(`{"data":{"a":"2"}}`))
	steps.Add(api.Patch(ctx, source, patch), "source changed")
	next()
	duplicate := &corev1.Secret{}
	err = api.Get(ctx, client.ObjectKeyFromObject(source), duplicate)
	owned := len(duplicate.OwnerReferences) == 1 && duplicate.OwnerReferences[0].UID == source.UID
	steps.Add(err, "copied %s, owned %t", duplicate.Data["a"], owned)
	// What somebody else breaks is mended.
	duplicate.Data["a"] = []byte("broken")
	steps.Add(api.Update(ctx, duplicate), "copy broken")
	next()
	steps.Add(api.Delete(ctx, source), "source deleted")
	next()
	steps.AddRefusal(read(ctx, api, duplicate))
	steps.AddRefusal(read(ctx, api, source))
	cancel()
	steps.Add(<-stopped, "stopped")
	lease := &coordinationv1.Lease{}
	lease.Namespace, lease.Name = scenario.Namespace, "manager"
	if err := api.Delete(context.WithoutCancel(ctx), lease); err != nil {
		return nil, err
	}
	return steps.Outcome()
}
