package main

import (
	"context"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	typedv1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"optilock/peers/client-go/experiment/scenario"
)

// namespace is where the fakes have their objects.
const namespace = scenario.Namespace

// subject is what is asked: what can be done with ConfigMaps, mostly.
type subject interface {
	create(context.Context, *corev1.ConfigMap, metav1.CreateOptions) (*corev1.ConfigMap, error)
	update(context.Context, *corev1.ConfigMap) (*corev1.ConfigMap, error)
	apply(ctx context.Context, document, manager string) error
	delete(ctx context.Context, name string, options metav1.DeleteOptions) error
	patch(ctx context.Context, document string) error
	get(ctx context.Context, name string) (*corev1.ConfigMap, error)
	getAt(ctx context.Context, name, version string) (*corev1.ConfigMap, error)
	list(context.Context, metav1.ListOptions) (*corev1.ConfigMapList, error)
	watch(context.Context, metav1.ListOptions) (watch.Interface, error)
	// updatePolicy makes a NetworkPolicy and updates it without a version.
	updatePolicy(context.Context) error
	// updateMissingLease updates a Lease that there is not.
	updateMissingLease(context.Context) error
	// close removes what was made.
	close()
}

// clientset is client-go's interface: of the fake, or of a server.
type clientset struct {
	client    kubernetes.Interface
	namespace string
}

func (c clientset) maps() typedv1.ConfigMapInterface {
	return c.client.CoreV1().ConfigMaps(c.namespace)
}

func (c clientset) create(ctx context.Context, object *corev1.ConfigMap, options metav1.CreateOptions) (*corev1.ConfigMap, error) {
	return c.maps().Create(ctx, object, options)
}

func (c clientset) update(ctx context.Context, object *corev1.ConfigMap) (*corev1.ConfigMap, error) {
	return c.maps().Update(ctx, object, metav1.UpdateOptions{})
}

func (c clientset) apply(ctx context.Context, document, manager string) error {
	options := metav1.PatchOptions{FieldManager: manager}
	_, err := c.maps().Patch(ctx, "a", types.ApplyPatchType, []byte(document), options)
	return err
}

func (c clientset) delete(ctx context.Context, name string, options metav1.DeleteOptions) error {
	return c.maps().Delete(ctx, name, options)
}

func (c clientset) patch(ctx context.Context, document string) error {
	_, err := c.maps().Patch(ctx, "a", types.MergePatchType, []byte(document), metav1.PatchOptions{})
	return err
}

func (c clientset) getAt(ctx context.Context, name, version string) (*corev1.ConfigMap, error) {
	return c.maps().Get(ctx, name, metav1.GetOptions{ResourceVersion: version})
}

func (c clientset) updatePolicy(ctx context.Context) error {
	policies := c.client.NetworkingV1().NetworkPolicies(c.namespace)
	if _, err := policies.Create(ctx, newPolicy(c.namespace), metav1.CreateOptions{}); err != nil {
		return err
	}
	_, err := policies.Update(ctx, newPolicy(c.namespace), metav1.UpdateOptions{})
	return err
}

func (c clientset) updateMissingLease(ctx context.Context) error {
	_, err := c.client.CoordinationV1().Leases(c.namespace).Update(ctx, newLease(c.namespace), metav1.UpdateOptions{})
	return err
}

func (c clientset) close() {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	held, err := c.get(ctx, "a")
	if err == nil && len(held.Finalizers) > 0 {
		held.Finalizers = nil
		_, err = c.update(ctx, held)
	}
	// The namespace and what is in it are of no use to anybody; a server that can't remove them has said so.
	_ = first(err, c.client.CoreV1().Namespaces().Delete(ctx, c.namespace, metav1.DeleteOptions{}))
}

func (c clientset) get(ctx context.Context, name string) (*corev1.ConfigMap, error) {
	return c.maps().Get(ctx, name, metav1.GetOptions{})
}

func (c clientset) list(ctx context.Context, options metav1.ListOptions) (*corev1.ConfigMapList, error) {
	return c.maps().List(ctx, options)
}

func (c clientset) watch(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
	return c.maps().Watch(ctx, options)
}

// runtime is controller-runtime's interface.
type runtime struct {
	client    client.WithWatch
	namespace string
}

func (r runtime) create(ctx context.Context, object *corev1.ConfigMap, options metav1.CreateOptions) (*corev1.ConfigMap, error) {
	object = object.DeepCopy()
	object.Namespace = r.namespace
	err := r.client.Create(ctx, object, &client.CreateOptions{DryRun: options.DryRun})
	return object, err
}

func (r runtime) update(ctx context.Context, object *corev1.ConfigMap) (*corev1.ConfigMap, error) {
	object = object.DeepCopy()
	object.Namespace = r.namespace
	return object, r.client.Update(ctx, object)
}

func (r runtime) apply(ctx context.Context, document, manager string) error {
	object := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "a", Namespace: r.namespace}}
	patch := client.RawPatch(types.ApplyPatchType, []byte(document))
	return r.client.Patch(ctx, object, patch, client.FieldOwner(manager))
}

func (r runtime) delete(ctx context.Context, name string, options metav1.DeleteOptions) error {
	object := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: r.namespace}}
	return r.client.Delete(ctx, object, &client.DeleteOptions{Preconditions: options.Preconditions})
}

func (r runtime) patch(ctx context.Context, document string) error {
	object := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "a", Namespace: r.namespace}}
	return r.client.Patch(ctx, object, client.RawPatch(types.MergePatchType, []byte(document)))
}

func (r runtime) getAt(ctx context.Context, name, version string) (*corev1.ConfigMap, error) {
	object := &corev1.ConfigMap{}
	at := &client.GetOptions{Raw: &metav1.GetOptions{ResourceVersion: version}}
	return object, r.client.Get(ctx, client.ObjectKey{Namespace: r.namespace, Name: name}, object, at)
}

func (r runtime) updatePolicy(ctx context.Context) error {
	if err := r.client.Create(ctx, newPolicy(r.namespace)); err != nil {
		return err
	}
	return r.client.Update(ctx, newPolicy(r.namespace))
}

func (r runtime) updateMissingLease(ctx context.Context) error {
	return r.client.Update(ctx, newLease(r.namespace))
}

func (r runtime) close() {}

func (r runtime) get(ctx context.Context, name string) (*corev1.ConfigMap, error) {
	object := &corev1.ConfigMap{}
	return object, r.client.Get(ctx, client.ObjectKey{Namespace: r.namespace, Name: name}, object)
}

func (r runtime) list(ctx context.Context, options metav1.ListOptions) (*corev1.ConfigMapList, error) {
	list := &corev1.ConfigMapList{}
	return list, r.client.List(ctx, list, client.InNamespace(r.namespace), rawOptions(options))
}

func (r runtime) watch(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
	return r.client.Watch(ctx, &corev1.ConfigMapList{}, client.InNamespace(r.namespace), rawOptions(options))
}

// raw hands options on as they are, with the selectors where controller-runtime has them.
type raw struct{ metav1.ListOptions }

func rawOptions(options metav1.ListOptions) client.ListOption { return raw{options} }

func (o raw) ApplyToList(list *client.ListOptions) {
	list.Raw = &o.ListOptions
	list.Limit = o.Limit
	list.Continue = o.Continue
	if selector, err := labels.Parse(o.LabelSelector); err == nil {
		list.LabelSelector = selector
	}
	if selector, err := fields.ParseSelector(o.FieldSelector); err == nil && !selector.Empty() {
		list.FieldSelector = selector
	}
}

func newPolicy(namespace string) *networkingv1.NetworkPolicy {
	return &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Name: "a", Namespace: namespace}}
}

func newLease(namespace string) *coordinationv1.Lease {
	return &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: "a", Namespace: namespace}}
}

// newNamespace makes a namespace of its own for a question.
func newNamespace(ctx context.Context, client kubernetes.Interface) (string, error) {
	object := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "questions-"}}
	made, err := client.CoreV1().Namespaces().Create(ctx, object, metav1.CreateOptions{})
	if err != nil {
		return "", err
	}
	return made.Name, nil
}
