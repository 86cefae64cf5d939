package clientgo

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"

	"optilock/peers/client-go/experiment/scenario"
)

// watchAgain watches, stops, and goes on from the last version that it has seen: what happened in
// between is not lost and comes once.
func watchAgain(ctx context.Context, config *rest.Config) (any, error) {
	api, err := configMaps(config)
	if err != nil {
		return nil, err
	}
	list, err := api.List(ctx, ofScenario("watch"))
	if err != nil {
		return nil, err
	}
	var steps scenario.Steps
	write := func(_ *corev1.ConfigMap, err error) {
		if err != nil {
			steps.Add(err, "")
		}
	}
	first := newConfigMap("watch", "first", "1")
	write(api.Create(ctx, first, metav1.CreateOptions{}))
	first.Data["a"] = "2"
	write(api.Update(ctx, first, metav1.UpdateOptions{}))
	version := read(ctx, api, list.ResourceVersion, 2, &steps)

	first.Data["a"] = "3"
	write(api.Update(ctx, first, metav1.UpdateOptions{}))
	write(api.Create(ctx, newConfigMap("watch", "second", "1"), metav1.CreateOptions{}))
	write(nil, api.Delete(ctx, "first", metav1.DeleteOptions{}))
	version = read(ctx, api, version, 3, &steps)

	write(nil, api.Delete(ctx, "second", metav1.DeleteOptions{}))
	read(ctx, api, version, 1, &steps)
	return steps.Outcome()
}

// read watches from version on, notes so many events, and returns the version of the last one.
func read(ctx context.Context, api corev1client.ConfigMapInterface, version string, count int, steps *scenario.Steps) string {
	options := ofScenario("watch")
	options.ResourceVersion = version
	watch, err := api.Watch(ctx, options)
	if err != nil {
		steps.Add(err, "")
		return version
	}
	defer watch.Stop()
	for range count {
		event, err := scenario.Next(ctx, watch.ResultChan())
		if err != nil {
			steps.Add(err, "")
			return version
		}
		object, ok := event.Object.(*corev1.ConfigMap)
		if !ok {
			steps.Add(fmt.Errorf("the watch broke: %w", apierrors.FromObject(event.Object)), "")
			return version
		}
		steps.Add(nil, "%s %s %s", event.Type, object.Name, object.Data["a"])
		version = object.ResourceVersion
	}
	return version
}
