package main

import (
	"context"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"optilock/peers/client-go/experiment/strategy"
)

// createOrUpdate makes updates with controllerutil.CreateOrUpdate, and again after a conflict, which
// it leaves to its caller.
func createOrUpdate(config *rest.Config, task strategy.Task) (strategy.Func, error) {
	direct, err := open(config)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, update *strategy.Update) error {
		recorded := recordedClient{Client: direct, update: update}
		return retry.RetryOnConflict(task.Backoff, func() error {
			object := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{
				Namespace: task.Namespace,
				Name:      task.Name,
			}}
			_, err := controllerutil.CreateOrUpdate(ctx, recorded, object, func() error {
				return strategy.AddOne(object)
			})
			return err
		})
	}, nil
}

// recordedClient tells an update what it is asked for the Deployment.
type recordedClient struct {
	client.Client
	update *strategy.Update
}

func (c recordedClient) Get(ctx context.Context, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
	_, err := c.update.Read(func() (*appsv1.Deployment, error) {
		err := c.Client.Get(ctx, key, object, options...)
		return object.(*appsv1.Deployment), err
	})
	return err
}

func (c recordedClient) Update(ctx context.Context, object client.Object, options ...client.UpdateOption) error {
	deployment := object.(*appsv1.Deployment)
	_, err := c.update.Write(deployment, func() (*appsv1.Deployment, error) {
		return deployment, c.Client.Update(ctx, object, options...)
	})
	return err
}
