package clientgo

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"

	"optilock/peers/client-go/experiment/scenario"
)

// informer has a cache follow what happens.
func informer(ctx context.Context, config *rest.Config) (any, error) {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	api := client.CoreV1().ConfigMaps(scenario.Namespace)
	var steps scenario.Steps
	object, err := api.Create(ctx, newConfigMap("informer", "early", "1"), metav1.CreateOptions{})
	if err != nil {
		return nil, err
	}
	events := make(chan string)
	send := func(kind string, object any) {
		if unknown, ok := object.(cache.DeletedFinalStateUnknown); ok {
			object = unknown.Obj
		}
		made := object.(*corev1.ConfigMap)
		select {
		case events <- fmt.Sprintf("%s %s %s", kind, made.Name, made.Data["a"]):
		case <-ctx.Done():
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	factory := informers.NewSharedInformerFactoryWithOptions(client, 0,
		informers.WithNamespace(scenario.Namespace),
		informers.WithTweakListOptions(tweak("informer")))
	shared := factory.Core().V1().ConfigMaps()
	if _, err := shared.Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(object any) { send("add", object) },
		UpdateFunc: func(_, object any) { send("update", object) },
		DeleteFunc: func(object any) { send("delete", object) },
	}); err != nil {
		return nil, err
	}
	factory.Start(ctx.Done())
	next := func(err error) {
		if err != nil {
			steps.Add(err, "")
			return
		}
		event, err := scenario.Next(ctx, events)
		steps.Add(err, "%s", event)
	}
	next(nil)
	if !cache.WaitForCacheSync(ctx.Done(), shared.Informer().HasSynced) {
		return nil, fmt.Errorf("the cache does not fill: %w", ctx.Err())
	}
	_, err = api.Create(ctx, newConfigMap("informer", "late", "1"), metav1.CreateOptions{})
	next(err)
	object.Data["a"] = "2"
	_, err = api.Update(ctx, object, metav1.UpdateOptions{})
	next(err)
	next(api.Delete(ctx, "late", metav1.DeleteOptions{}))
	cached, err := shared.Lister().ConfigMaps(scenario.Namespace).Get("early")
	if err != nil {
		return nil, err
	}
	steps.Add(nil, "cached early %s", cached.Data["a"])
	next(api.Delete(ctx, "early", metav1.DeleteOptions{}))
	return steps.Outcome()
}

// tweak has an informer see the objects of one scenario.
func tweak(scenario string) func(*metav1.ListOptions) {
	return func(options *metav1.ListOptions) {
		options.LabelSelector = ofScenario(scenario).LabelSelector
	}
}

// watchList says how an informer gets its first state: one watch that begins with it, or a list.
func watchList(ctx context.Context, config *rest.Config) (any, error) {
	var lists, watches atomic.Int64
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(request *http.Request) (*http.Response, error) {
			query := request.URL.Query()
			switch {
			case query.Get("sendInitialEvents") == "true":
				watches.Add(1)
			case request.Method == http.MethodGet && query.Get("watch") == "":
				lists.Add(1)
			}
			return next.RoundTrip(request)
		})
	})
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	factory := informers.NewSharedInformerFactory(client, 0)
	namespaces := factory.Core().V1().Namespaces()
	synced := namespaces.Informer().HasSynced
	factory.Start(ctx.Done())
	if !cache.WaitForCacheSync(ctx.Done(), synced) {
		return nil, fmt.Errorf("the cache does not fill: %w", ctx.Err())
	}
	_, err = namespaces.Lister().Get("default")
	return map[string]any{
		"initial_events": watches.Load(),
		"lists":          lists.Load(),
		"found":          err == nil,
	}, nil
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(request *http.Request) (*http.Response, error) {
	return f(request)
}
