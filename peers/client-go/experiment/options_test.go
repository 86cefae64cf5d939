package experiment

import (
	"io"
	"math"
	"strings"
	"testing"
)

func TestZeroStepsMeanUnlimited(t *testing.T) {
	o, err := parseOptions([]string{"-kubeconfig", "f", "-steps", "0"}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if o.backoff.Steps != math.MaxInt {
		t.Errorf("steps %d", o.backoff.Steps)
	}
}

func TestTheKubeconfigComesFromTheEnvironment(t *testing.T) {
	t.Setenv("KUBECONFIG", "g")
	o, err := parseOptions(nil, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if o.kubeconfig != "g" {
		t.Errorf("kubeconfig %q", o.kubeconfig)
	}
}

func TestWrongUsageNamesTheFlag(t *testing.T) {
	t.Setenv("KUBECONFIG", "")
	for _, test := range []struct{ args, says string }{
		{"", "-kubeconfig"},
		{"-kubeconfig f -workers 0", "-workers"},
		{"-kubeconfig f -steps -1", "-steps"},
		{"-kubeconfig f -qps -1", "-qps"},
		{"-kubeconfig f -loop -1s", "-loop"},
		{"-kubeconfig f -experiment twice", "-experiment"},
		{"-kubeconfig f more", `"more"`},
	} {
		var output strings.Builder
		if _, err := parseOptions(strings.Fields(test.args), &output); err == nil {
			t.Errorf("%q is accepted", test.args)
		}
		if !strings.Contains(output.String(), test.says) {
			t.Errorf("%q: the message %q does not name %s", test.args, output.String(), test.says)
		}
	}
}
