package experiment

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
)

func TestNobodyPassesBeforeAllHaveArrived(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBarrier(3)
		var passed atomic.Int64
		for range 2 {
			party := b.party()
			go func() {
				// Once it is open it stays open.
				party.pass()
				party.pass()
				passed.Add(1)
			}()
		}
		synctest.Wait()
		if n := passed.Load(); n != 0 {
			t.Errorf("%d passed without the third", n)
		}
		b.party().arrive() // and never passes, as a worker that failed
		synctest.Wait()
		if n := passed.Load(); n != 2 {
			t.Errorf("%d passed, not 2", n)
		}
	})
}
