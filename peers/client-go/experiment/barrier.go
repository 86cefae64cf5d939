package experiment

import "sync"

// barrier lets nobody pass before all have arrived.
type barrier struct {
	arrivals sync.WaitGroup
}

func newBarrier(parties int) *barrier {
	b := &barrier{}
	b.arrivals.Add(parties)
	return b
}

// party is one participant's side of the barrier.
func (b *barrier) party() *party {
	return &party{barrier: b}
}

type party struct {
	barrier *barrier
	once    sync.Once
}

// arrive says that this party is there, or will never come; only the first call counts.
func (p *party) arrive() {
	p.once.Do(p.barrier.arrivals.Done)
}

// pass arrives and waits for the others. Once all were there it never waits again.
func (p *party) pass() {
	p.arrive()
	p.barrier.arrivals.Wait()
}
