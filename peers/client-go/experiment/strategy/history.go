package strategy

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// counter is the label that updates count up.
const counter = "biz-version"

// history writes docs/history.md, line by line, so that what was done is told even if the program is killed.
type history struct {
	mutex   sync.Mutex
	lines   *json.Encoder
	started time.Time
	failed  error
}

type header struct {
	Version int    `json:"version"`
	Target  string `json:"target"`
	Seed    int    `json:"seed"`
	Clock   string `json:"clock"`
}

type operation struct {
	OpID    string `json:"op_id"`
	Worker  int    `json:"worker"`
	UID     string `json:"uid,omitempty"`
	Verb    string `json:"verb"`
	Kind    string `json:"kind"`
	Name    string `json:"name"`
	Base    string `json:"base,omitempty"`
	Invoke  int64  `json:"invoke_ns"`
	Return  int64  `json:"return_ns"`
	Outcome string `json:"outcome"`
	RV      string `json:"rv,omitempty"`
	Value   *int   `json:"value,omitempty"`
}

func newHistory(output io.Writer, target string) *history {
	h := &history{lines: json.NewEncoder(output), started: time.Now()}
	h.write(header{Version: 1, Target: target, Clock: "monotonic"})
	return h
}

func (h *history) write(line any) {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	if err := h.lines.Encode(line); err != nil && h.failed == nil {
		h.failed = err
	}
}

func (h *history) now() int64 { return time.Since(h.started).Nanoseconds() }

// Update is one update of one worker, whose requests it writes down.
type Update struct {
	history *history
	id      string
	worker  int
	name    string
}

// Read makes a GET.
func (u *Update) Read(get func() (*appsv1.Deployment, error)) (*appsv1.Deployment, error) {
	return u.ask(operation{Verb: "get"}, get)
}

// Write makes a PUT of this object, as it is now.
func (u *Update) Write(object *appsv1.Deployment, put func() (*appsv1.Deployment, error)) (*appsv1.Deployment, error) {
	return u.ask(operation{
		Verb:  "update",
		UID:   string(object.UID),
		Base:  object.ResourceVersion,
		Value: value(object),
	}, put)
}

func (u *Update) ask(o operation, request func() (*appsv1.Deployment, error)) (*appsv1.Deployment, error) {
	o.OpID, o.Worker, o.Kind, o.Name = u.id, u.worker, "Deployment", u.name
	o.Invoke = u.history.now()
	answer, err := request()
	o.Return = u.history.now()
	o.Outcome = outcome(err)
	if err == nil {
		o.UID, o.RV, o.Value = string(answer.UID), answer.ResourceVersion, value(answer)
	}
	u.history.write(o)
	return answer, err
}

// outcome is what is known of a request that ended like this.
func outcome(err error) string {
	var status apierrors.APIStatus
	switch {
	case err == nil:
		return "applied"
	case apierrors.IsConflict(err):
		return "conflict"
	case errors.As(err, &status) && status.Status().Code >= 400 && status.Status().Code < 500:
		return "refused"
	}
	return "unknown"
}

func value(object *appsv1.Deployment) *int {
	number, err := strconv.Atoi(object.Labels[counter])
	if err != nil {
		return nil
	}
	return &number
}

// AddOne is the change that every update makes.
func AddOne(object *appsv1.Deployment) error {
	number := value(object)
	if number == nil {
		return fmt.Errorf("label %s of deployment %q is %q, which can't be counted on", counter, object.Name, object.Labels[counter])
	}
	object.Labels[counter] = strconv.Itoa(*number + 1)
	return nil
}
