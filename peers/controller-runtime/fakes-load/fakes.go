package main

import (
	"context"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	clientfake "k8s.io/client-go/kubernetes/fake"
	typedv1 "k8s.io/client-go/kubernetes/typed/apps/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	crfake "sigs.k8s.io/controller-runtime/pkg/client/fake"
)

// manager is who applies.
const manager = "load"

// clientset is client-go's fake.
type clientset struct{ deployments typedv1.DeploymentInterface }

func newClientset() api {
	return clientset{clientfake.NewClientset().AppsV1().Deployments(namespace)}
}

func (c clientset) get(ctx context.Context, name string) (*appsv1.Deployment, error) {
	return c.deployments.Get(ctx, name, metav1.GetOptions{})
}

func (c clientset) create(ctx context.Context, object *appsv1.Deployment) (*appsv1.Deployment, error) {
	return c.deployments.Create(ctx, object, metav1.CreateOptions{})
}

func (c clientset) update(ctx context.Context, object *appsv1.Deployment) (*appsv1.Deployment, error) {
	return c.deployments.Update(ctx, object, metav1.UpdateOptions{})
}

func (c clientset) patch(ctx context.Context, name string, body []byte) error {
	_, err := c.deployments.Patch(ctx, name, types.MergePatchType, body, metav1.PatchOptions{})
	return err
}

func (c clientset) apply(ctx context.Context, name string, body []byte) error {
	options := metav1.PatchOptions{FieldManager: manager, Force: ptr.To(true)}
	_, err := c.deployments.Patch(ctx, name, types.ApplyPatchType, body, options)
	return err
}

func (c clientset) delete(ctx context.Context, name string) error {
	return c.deployments.Delete(ctx, name, metav1.DeleteOptions{})
}

// runtime is controller-runtime's fake.
type runtime struct{ client client.Client }

func newRuntime() api {
	return runtime{crfake.NewClientBuilder().Build()}
}

// named is a Deployment of which only the name matters.
func named(name string) *appsv1.Deployment {
	return &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace}}
}

func (r runtime) get(ctx context.Context, name string) (*appsv1.Deployment, error) {
	object := &appsv1.Deployment{}
	return object, r.client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, object)
}

func (r runtime) create(ctx context.Context, object *appsv1.Deployment) (*appsv1.Deployment, error) {
	return object, r.client.Create(ctx, object)
}

func (r runtime) update(ctx context.Context, object *appsv1.Deployment) (*appsv1.Deployment, error) {
	return object, r.client.Update(ctx, object)
}

func (r runtime) patch(ctx context.Context, name string, body []byte) error {
	return r.client.Patch(ctx, named(name), client.RawPatch(types.MergePatchType, body))
}

func (r runtime) apply(ctx context.Context, name string, body []byte) error {
	patch := client.RawPatch(types.ApplyPatchType, body)
	return r.client.Patch(ctx, named(name), patch, client.FieldOwner(manager), client.ForceOwnership)
}

func (r runtime) delete(ctx context.Context, name string) error {
	return r.client.Delete(ctx, named(name))
}
