package experiment

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	appsclient "k8s.io/client-go/kubernetes/typed/apps/v1"
	"k8s.io/klog/v2"
)

const (
	// label is what the workers count up.
	label = "biz-version"
	// initial is the value that the Deployment is created with.
	initial = 100

	// settleLimit is how long a Deployment is waited for that doesn't come to rest.
	settleLimit = 30 * time.Second
	// settleInterval is the pause between two looks at it.
	settleInterval = 50 * time.Millisecond
	// deleteLimit bounds the clean-up.
	deleteLimit = 30 * time.Second
)

func newDeployment(name string) *appsv1.Deployment {
	replicas := int32(1)
	pod := map[string]string{"app": name}
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{
			Name:   name,
			Labels: map[string]string{label: strconv.Itoa(initial)},
		},
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas,
			Selector: &metav1.LabelSelector{MatchLabels: pod},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: pod},
				Spec: corev1.PodSpec{
					Containers: []corev1.Container{{
						Name:  "nginx",
						Image: "nginx",
						Ports: []corev1.ContainerPort{{ContainerPort: 80}},
					}},
				},
			},
		},
	}
}

// create makes the Deployment; one that is there already belongs to somebody else.
func create(ctx context.Context, api appsclient.DeploymentInterface, o *options) (*appsv1.Deployment, error) {
	created, err := api.Create(ctx, newDeployment(o.name), metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return nil, fmt.Errorf("deployment %q in namespace %q exists already and is left alone: choose another -name", o.name, o.namespace)
	}
	return created, err
}

// remove deletes the very object that was created, also when ctx is cancelled.
func remove(ctx context.Context, api appsclient.DeploymentInterface, created *appsv1.Deployment) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), deleteLimit)
	defer cancel()
	background := metav1.DeletePropagationBackground
	err := api.Delete(ctx, created.Name, metav1.DeleteOptions{
		PropagationPolicy: &background,
		Preconditions:     &metav1.Preconditions{UID: &created.UID},
	})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// settle waits until the controllers have seen the Deployment and nobody has changed it for quiet.
func settle(ctx context.Context, api appsclient.DeploymentInterface, name string, quiet time.Duration) error {
	bounded, cancel := context.WithTimeout(ctx, settleLimit)
	defer cancel()
	var version string
	var since time.Time
	for {
		current, err := api.Get(bounded, name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		if current.ResourceVersion != version {
			version, since = current.ResourceVersion, time.Now()
		}
		if current.Status.ObservedGeneration >= current.Generation && time.Since(since) >= quiet {
			return nil
		}
		select {
		case <-bounded.Done():
			if errors.Is(ctx.Err(), context.Canceled) {
				return ctx.Err()
			}
			klog.Infof("the deployment is still changing after %s: going on", settleLimit)
			return nil
		case <-time.After(settleInterval):
		}
	}
}

// value reads the label as a number.
func value(deployment *appsv1.Deployment) (int, error) {
	text, found := deployment.Labels[label]
	if !found {
		return 0, fmt.Errorf("deployment %q has lost its label %s", deployment.Name, label)
	}
	number, err := strconv.Atoi(text)
	if err != nil {
		return 0, fmt.Errorf("label %s of deployment %q: %w", label, deployment.Name, err)
	}
	return number, nil
}
