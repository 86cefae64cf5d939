package main

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/utils/ptr"
)

// patience is how long an answer is waited for; a watch that says nothing is found out by a later event.
const patience = 30 * time.Second

// ofQuestions selects the objects of a question.
const ofQuestions = "of=questions"

// question is something that is tried, and what came of it in a few words.
type question struct {
	text string
	ask  func(context.Context, subject) string
}

var questions = []question{
	{"a new object has a version and a uid", func(ctx context.Context, s subject) string {
		made, err := s.create(ctx, named("a"), metav1.CreateOptions{})
		return said(err, yes(err == nil && made.ResourceVersion != "" && made.UID != ""))
	}},
	{"an object with a version can't be created", func(ctx context.Context, s subject) string {
		object := named("a")
		object.ResourceVersion = "5"
		_, err := s.create(ctx, object, metav1.CreateOptions{})
		return refused(err)
	}},
	{"a name that is none is refused", func(ctx context.Context, s subject) string {
		_, err := s.create(ctx, named("Not a name"), metav1.CreateOptions{})
		return refused(err)
	}},
	{"generateName gives a name", func(ctx context.Context, s subject) string {
		object := named("")
		object.GenerateName = "a-"
		made, err := s.create(ctx, object, metav1.CreateOptions{})
		return said(err, yes(err == nil && len(made.Name) > len("a-")))
	}},
	{"a dry run leaves no trace", func(ctx context.Context, s subject) string {
		_, err := s.create(ctx, named("a"), metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		_, gone := s.get(ctx, "a")
		return said(err, yes(apierrors.IsNotFound(gone)))
	}},
	{"a stale update conflicts", func(ctx context.Context, s subject) string {
		made, err := s.create(ctx, named("a"), metav1.CreateOptions{})
		if err == nil {
			_, err = s.update(ctx, with(made, "1"))
		}
		if err != nil {
			return said(err, "")
		}
		_, err = s.update(ctx, with(made, "2"))
		return refused(err)
	}},
	{"an update without a change keeps the version", func(ctx context.Context, s subject) string {
		made, err := s.create(ctx, named("a"), metav1.CreateOptions{})
		if err != nil {
			return said(err, "")
		}
		again, err := s.update(ctx, made)
		return said(err, yes(err == nil && made.ResourceVersion != "" && again.ResourceVersion == made.ResourceVersion))
	}},
	{"an update without a version succeeds", func(ctx context.Context, s subject) string {
		_, err := s.create(ctx, named("a"), metav1.CreateOptions{})
		if err == nil {
			_, err = s.update(ctx, with(named("a"), "1"))
		}
		return said(err, "yes")
	}},
	{"an update of a NetworkPolicy without a version succeeds", func(ctx context.Context, s subject) string {
		return said(s.updatePolicy(ctx), "yes")
	}},
	{"an update creates a Lease", func(ctx context.Context, s subject) string {
		return said(s.updateMissingLease(ctx), "yes")
	}},
	{"a patch with a stale version conflicts", func(ctx context.Context, s subject) string {
		made, err := s.create(ctx, named("a"), metav1.CreateOptions{})
		if err == nil {
			_, err = s.update(ctx, with(made, "1"))
		}
		if err != nil {
			return said(err, "")
		}
		return refused(s.patch(ctx, fmt.Sprintf(`{"metadata":{"resourceVersion":%q},"data":{"k":"2"}}`, made.ResourceVersion)))
	}},
	{"an apply with a stale version conflicts", func(ctx context.Context, s subject) string {
		made, err := s.create(ctx, named("a"), metav1.CreateOptions{})
		if err == nil {
			_, err = s.update(ctx, with(made, "1"))
		}
		if err != nil {
			return said(err, "")
		}
		document := `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","resourceVersion":%q},"data":{"l":"2"}}`
		return refused(s.apply(ctx, fmt.Sprintf(document, made.ResourceVersion), "one"))
	}},
	{"a deletion heeds the version in its preconditions", func(ctx context.Context, s subject) string {
		made, err := s.create(ctx, named("a"), metav1.CreateOptions{})
		if err == nil {
			_, err = s.update(ctx, with(made, "1"))
		}
		if err != nil {
			return said(err, "")
		}
		stale := metav1.Preconditions{ResourceVersion: &made.ResourceVersion}
		return refused(s.delete(ctx, "a", metav1.DeleteOptions{Preconditions: &stale}))
	}},
	{"a deletion heeds the uid in its preconditions", func(ctx context.Context, s subject) string {
		_, err := s.create(ctx, named("a"), metav1.CreateOptions{})
		if err != nil {
			return said(err, "")
		}
		other := metav1.Preconditions{UID: ptr.To(types.UID("other"))}
		return refused(s.delete(ctx, "a", metav1.DeleteOptions{Preconditions: &other}))
	}},
	{"a finalizer holds the object", func(ctx context.Context, s subject) string {
		object := named("a")
		object.Finalizers = []string{"example.com/hold"}
		_, err := s.create(ctx, object, metav1.CreateOptions{})
		if err == nil {
			err = s.delete(ctx, "a", metav1.DeleteOptions{})
		}
		held, gone := s.get(ctx, "a")
		return said(err, yes(gone == nil && held.DeletionTimestamp != nil))
	}},
	{"the last finalizer takes the object along", func(ctx context.Context, s subject) string {
		object := named("a")
		object.Finalizers = []string{"example.com/hold"}
		_, err := s.create(ctx, object, metav1.CreateOptions{})
		if err == nil {
			err = s.delete(ctx, "a", metav1.DeleteOptions{})
		}
		held, failed := s.get(ctx, "a")
		if err = first(err, failed); err != nil {
			return said(err, "")
		}
		held.Finalizers = nil
		_, err = s.update(ctx, held)
		_, gone := s.get(ctx, "a")
		return said(err, yes(apierrors.IsNotFound(gone)))
	}},
	{"an apply that creates can set the mark of a deletion", func(ctx context.Context, s subject) string {
		document := `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","deletionTimestamp":"2020-01-01T00:00:00Z","finalizers":["example.com/hold"]}}`
		if err := s.apply(ctx, document, "one"); err != nil {
			return refused(err)
		}
		made, err := s.get(ctx, "a")
		return said(err, yes(err == nil && made.DeletionTimestamp != nil))
	}},
	{"two appliers of one field conflict", func(ctx context.Context, s subject) string {
		document := `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"data":{"k":%q}}`
		if err := s.apply(ctx, fmt.Sprintf(document, "1"), "one"); err != nil {
			return said(err, "")
		}
		return refused(s.apply(ctx, fmt.Sprintf(document, "2"), "two"))
	}},
	{"a read of a version to come fails", func(ctx context.Context, s subject) string {
		_, err := s.create(ctx, named("a"), metav1.CreateOptions{})
		if err != nil {
			return said(err, "")
		}
		// The server says with its refusal when to ask again, and client-go does.
		ctx, cancel := context.WithTimeout(ctx, 4*time.Second)
		defer cancel()
		_, err = s.getAt(ctx, "a", "999999999")
		return yes(err != nil)
	}},
	{"a list has pages", func(ctx context.Context, s subject) string {
		err := fill(ctx, s, "a", "b", "c")
		list, failed := s.list(ctx, metav1.ListOptions{Limit: 1, LabelSelector: ofQuestions})
		return said(first(err, failed), yes(failed == nil && len(list.Items) == 1 && list.Continue != ""))
	}},
	{"a list has a version", func(ctx context.Context, s subject) string {
		err := fill(ctx, s, "a")
		list, failed := s.list(ctx, metav1.ListOptions{})
		return said(first(err, failed), yes(failed == nil && list.ResourceVersion != ""))
	}},
	{"a list of an older version is as it was", func(ctx context.Context, s subject) string {
		err := fill(ctx, s, "a")
		before, failed := s.list(ctx, metav1.ListOptions{LabelSelector: ofQuestions})
		err = first(err, failed, fill(ctx, s, "b"))
		if err != nil {
			return said(err, "")
		}
		options := metav1.ListOptions{
			LabelSelector:        ofQuestions,
			ResourceVersion:      before.ResourceVersion,
			ResourceVersionMatch: metav1.ResourceVersionMatchExact,
		}
		list, err := s.list(ctx, options)
		return said(err, yes(err == nil && len(list.Items) == 1))
	}},
	{"a list has a field selector", func(ctx context.Context, s subject) string {
		err := fill(ctx, s, "a", "b")
		list, failed := s.list(ctx, metav1.ListOptions{FieldSelector: "metadata.name=a", LabelSelector: ofQuestions})
		return said(first(err, failed), yes(failed == nil && len(list.Items) == 1))
	}},
	{"a watch from a version misses nothing", func(ctx context.Context, s subject) string {
		err := fill(ctx, s, "a")
		list, failed := s.list(ctx, metav1.ListOptions{})
		if err = first(err, failed, fill(ctx, s, "b")); err != nil {
			return said(err, "")
		}
		return firstEvent(ctx, s, metav1.ListOptions{ResourceVersion: list.ResourceVersion, LabelSelector: ofQuestions}, watch.Added, "b")
	}},
	{"a watch from a version tells of deletions since", func(ctx context.Context, s subject) string {
		err := fill(ctx, s, "a")
		list, failed := s.list(ctx, metav1.ListOptions{})
		if err = first(err, failed, s.delete(ctx, "a", metav1.DeleteOptions{})); err != nil {
			return said(err, "")
		}
		return firstEvent(ctx, s, metav1.ListOptions{ResourceVersion: list.ResourceVersion, LabelSelector: ofQuestions}, watch.Deleted, "a")
	}},
	{"a watch has a label selector", func(ctx context.Context, s subject) string {
		list, err := s.list(ctx, metav1.ListOptions{})
		if err != nil {
			return said(err, "")
		}
		options := metav1.ListOptions{ResourceVersion: list.ResourceVersion, LabelSelector: "of=others"}
		return firstEvent(ctx, s, options, watch.Added, "marker")
	}},
	{"200 events wait for their reader", func(ctx context.Context, s subject) string {
		list, err := s.list(ctx, metav1.ListOptions{})
		if err != nil {
			return said(err, "")
		}
		events, err := s.watch(ctx, metav1.ListOptions{ResourceVersion: list.ResourceVersion, LabelSelector: ofQuestions})
		if err != nil {
			return said(err, "")
		}
		defer events.Stop()
		for number := range 200 {
			if err := fill(ctx, s, fmt.Sprintf("a%d", number)); err != nil {
				return said(err, "")
			}
		}
		for range 200 {
			if _, ok := next(ctx, events, watch.Added); !ok {
				return "no"
			}
		}
		return "yes"
	}},
	{"a deletion is told with its own version", func(ctx context.Context, s subject) string {
		made, err := s.create(ctx, named("a"), metav1.CreateOptions{})
		if err != nil {
			return said(err, "")
		}
		events, err := s.watch(ctx, metav1.ListOptions{ResourceVersion: made.ResourceVersion})
		if err != nil {
			return said(err, "")
		}
		defer events.Stop()
		if err := s.delete(ctx, "a", metav1.DeleteOptions{}); err != nil {
			return said(err, "")
		}
		event, ok := next(ctx, events, watch.Deleted)
		return yes(ok && event.ResourceVersion != "" && event.ResourceVersion != made.ResourceVersion)
	}},
	{"a watch can begin with the state, and says where that ends", func(ctx context.Context, s subject) string {
		err := fill(ctx, s, "a")
		options := metav1.ListOptions{
			SendInitialEvents:    ptr.To(true),
			AllowWatchBookmarks:  true,
			ResourceVersionMatch: metav1.ResourceVersionMatchNotOlderThan,
		}
		events, failed := s.watch(ctx, options)
		if err = first(err, failed); err != nil {
			return said(err, "")
		}
		defer events.Stop()
		// Whoever says nothing about the end tells of the next object.
		if err := fill(ctx, s, "z-marker"); err != nil {
			return said(err, "")
		}
		for {
			select {
			case event, ok := <-events.ResultChan():
				object, isMap := event.Object.(*corev1.ConfigMap)
				switch {
				case !ok:
					return "no"
				case event.Type == watch.Bookmark:
					return "yes"
				case isMap && object.Name == "z-marker" && event.Type == watch.Added:
					// A server may have the marker in the state; then the bookmark is next.
					marker := time.NewTimer(time.Second)
					defer marker.Stop()
					select {
					case event := <-events.ResultChan():
						return yes(event.Type == watch.Bookmark)
					case <-marker.C:
						return "no"
					}
				}
			case <-ctx.Done():
				return "no"
			}
		}
	}},
}

func named(name string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"of": "questions"}}}
}

func with(object *corev1.ConfigMap, value string) *corev1.ConfigMap {
	object = object.DeepCopy()
	object.Data = map[string]string{"k": value}
	return object
}

func fill(ctx context.Context, s subject, names ...string) error {
	for _, name := range names {
		if _, err := s.create(ctx, named(name), metav1.CreateOptions{}); err != nil {
			return err
		}
	}
	return nil
}

// firstEvent is whether a watch begins with that event. Two later objects, one of them with another label, end the wait.
func firstEvent(ctx context.Context, s subject, options metav1.ListOptions, kind watch.EventType, name string) string {
	events, err := s.watch(ctx, options)
	if err != nil {
		return said(err, "")
	}
	defer events.Stop()
	marker := named("marker")
	marker.Labels = map[string]string{"of": "others"}
	err = fill(ctx, s, "c")
	_, failed := s.create(ctx, marker, metav1.CreateOptions{})
	if err = first(err, failed); err != nil {
		return said(err, "")
	}
	select {
	case event, ok := <-events.ResultChan():
		object, isMap := event.Object.(*corev1.ConfigMap)
		return yes(ok && isMap && event.Type == kind && object.Name == name)
	case <-ctx.Done():
		return "no"
	}
}

// next is the object of the next event of a kind.
func next(ctx context.Context, events watch.Interface, kind watch.EventType) (*corev1.ConfigMap, bool) {
	for {
		select {
		case event, ok := <-events.ResultChan():
			if !ok {
				return nil, false
			}
			if object, isMap := event.Object.(*corev1.ConfigMap); isMap && event.Type == kind {
				return object, true
			}
		case <-ctx.Done():
			return nil, false
		}
	}
}

func first(all ...error) error {
	for _, err := range all {
		if err != nil {
			return err
		}
	}
	return nil
}

func yes(is bool) string {
	if is {
		return "yes"
	}
	return "no"
}

// refused is whether something was, and with what code.
func refused(err error) string {
	if err == nil {
		return "no"
	}
	return "yes, " + code(err)
}

// said is an answer, unless what was to be answered failed before.
func said(err error, answer string) string {
	if err != nil {
		return "fails, " + code(err)
	}
	return answer
}

func code(err error) string {
	if status, ok := err.(apierrors.APIStatus); ok {
		return fmt.Sprint(status.Status().Code)
	}
	return "without a code"
}
