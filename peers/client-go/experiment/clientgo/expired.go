package clientgo

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"

	"optilock/peers/client-go/experiment/scenario"
)

// expired has a cache follow what happens until there is an object `end`, and shows what is in it then.
func expired(ctx context.Context, config *rest.Config) (any, error) {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	factory := informers.NewSharedInformerFactoryWithOptions(client, 0,
		informers.WithNamespace(scenario.Namespace),
		informers.WithTweakListOptions(tweak("expired")))
	shared := factory.Core().V1().ConfigMaps()
	end := make(chan struct{})
	if _, err := shared.Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: func(object any) {
			if object.(*corev1.ConfigMap).Name == "end" {
				close(end)
			}
		},
	}); err != nil {
		return nil, err
	}
	factory.Start(ctx.Done())
	select {
	case <-end:
	case <-ctx.Done():
		return nil, fmt.Errorf("the end is not seen: %w", ctx.Err())
	}
	objects, err := shared.Lister().ConfigMaps(scenario.Namespace).List(labels.Everything())
	if err != nil {
		return nil, err
	}
	cached := map[string]string{}
	for _, object := range objects {
		cached[object.Name] = object.Data["a"]
	}
	return cached, nil
}
