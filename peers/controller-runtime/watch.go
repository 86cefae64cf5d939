package main

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"optilock/peers/client-go/experiment/scenario"
)

// watchAgain watches, stops, and goes on from the last version that it has seen.
func watchAgain(ctx context.Context, config *rest.Config) (any, error) {
	api, err := open(config)
	if err != nil {
		return nil, err
	}
	list := &corev1.ConfigMapList{}
	if err := api.List(ctx, list, client.MatchingLabels{label: "watch"}); err != nil {
		return nil, err
	}
	var steps scenario.Steps
	write := &writer{ctx: ctx, client: api}
	first, second := newConfigMap("watch", "first", "1"), newConfigMap("watch", "second", "1")
	write.create(first)
	first.Data["a"] = "2"
	write.update(first)
	version := follow(ctx, api, list.ResourceVersion, 2, &steps)

	first.Data["a"] = "3"
	write.update(first)
	write.create(second)
	write.delete(first)
	version = follow(ctx, api, version, 3, &steps)

	write.delete(second)
	follow(ctx, api, version, 1, &steps)
	if write.err != nil {
		return nil, write.err
	}
	return steps.Outcome()
}

// follow watches from version on, notes so many events, and returns the version of the last one.
func follow(ctx context.Context, api client.WithWatch, version string, count int, steps *scenario.Steps) string {
	raw := &client.ListOptions{Raw: &metav1.ListOptions{ResourceVersion: version}}
	watch, err := api.Watch(ctx, &corev1.ConfigMapList{}, client.MatchingLabels{label: "watch"}, raw)
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

// informer has a cache follow what happens.
func informer(ctx context.Context, config *rest.Config) (any, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	api, err := open(config)
	if err != nil {
		return nil, err
	}
	write := &writer{ctx: ctx, client: api}
	early, late := newConfigMap("informer", "early", "1"), newConfigMap("informer", "late", "1")
	write.create(early)
	all, err := cache.New(config, cache.Options{
		DefaultNamespaces:    map[string]cache.Config{scenario.Namespace: {}},
		DefaultLabelSelector: client.MatchingLabelsSelector{Selector: selector("informer")},
	})
	if err != nil {
		return nil, err
	}
	events := make(chan string)
	send := func(kind string, object any) {
		if unknown, ok := object.(toolscache.DeletedFinalStateUnknown); ok {
			object = unknown.Obj
		}
		made := object.(*corev1.ConfigMap)
		select {
		case events <- fmt.Sprintf("%s %s %s", kind, made.Name, made.Data["a"]):
		case <-ctx.Done():
		}
	}
	stopped := make(chan error, 1)
	go func() { stopped <- all.Start(ctx) }()
	shared, err := all.GetInformer(ctx, &corev1.ConfigMap{})
	if err != nil {
		return nil, err
	}
	if _, err := shared.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
		AddFunc:    func(object any) { send("add", object) },
		UpdateFunc: func(_, object any) { send("update", object) },
		DeleteFunc: func(object any) { send("delete", object) },
	}); err != nil {
		return nil, err
	}
	var steps scenario.Steps
	next := func() {
		event, err := scenario.Next(ctx, events)
		steps.Add(err, "%s", event)
	}
	next()
	write.create(late)
	next()
	early.Data["a"] = "2"
	write.update(early)
	next()
	write.delete(late)
	next()
	cached := newConfigMap("informer", "early", "")
	err = all.Get(ctx, client.ObjectKeyFromObject(cached), cached)
	steps.Add(err, "cached early %s", cached.Data["a"])
	write.delete(early)
	next()
	cancel()
	write.keep(<-stopped)
	if write.err != nil {
		return nil, write.err
	}
	return steps.Outcome()
}

// expired has a cache follow what happens until there is an object `end`, and shows what is in it then.
func expired(ctx context.Context, config *rest.Config) (any, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	all, err := cache.New(config, cache.Options{
		DefaultNamespaces:    map[string]cache.Config{scenario.Namespace: {}},
		DefaultLabelSelector: client.MatchingLabelsSelector{Selector: selector("expired")},
	})
	if err != nil {
		return nil, err
	}
	stopped := make(chan error, 1)
	go func() { stopped <- all.Start(ctx) }()
	shared, err := all.GetInformer(ctx, &corev1.ConfigMap{})
	if err != nil {
		return nil, err
	}
	end := make(chan struct{})
	if _, err := shared.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
		AddFunc: func(object any) {
			if object.(*corev1.ConfigMap).Name == "end" {
				close(end)
			}
		},
	}); err != nil {
		return nil, err
	}
	select {
	case <-end:
	case <-ctx.Done():
		return nil, fmt.Errorf("the end is not seen: %w", ctx.Err())
	}
	list := &corev1.ConfigMapList{}
	if err := all.List(ctx, list); err != nil {
		return nil, err
	}
	cached := map[string]string{}
	for _, object := range list.Items {
		cached[object.Name] = object.Data["a"]
	}
	cancel()
	return cached, <-stopped
}
