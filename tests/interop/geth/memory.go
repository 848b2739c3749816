package main

import (
	"path/filepath"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"
)

// rememberedAfter is after how many answers to its pings geth writes a node to its database, and so do we.
const rememberedAfter = 6

// remembers is how long it takes at most until a node that is alone in a table has answered that often: it is asked
// within 3 s at first, then within 9 s each time.
const remembers = 3*time.Second + (rememberedAfter-1)*9*time.Second + 5*time.Second

// withDatabase is what nodes remember of each other. That takes most of a minute, so it begins before other cases.
func withDatabase() stage {
	var key, ourFolder, gethsFolder string
	var known, other, writer *gethNetwork
	var ours, again *node
	var begin time.Time
	return stage{
		early: func(t *test) {
			key, ourFolder, gethsFolder = t.key("nodekey"), filepath.Join(t.folder, "ours"), filepath.Join(t.folder, "geths")
			known, other = t.network(1, ""), t.network(1, "")
			writer = t.network(1, other.url, "--nodedb", gethsFolder)
			ours = t.ourDiscovery("--nodekey", key, "--nodedb", ourFolder, "--bootnodes", known.url)
			t.event(ours.program, "added", map[string]any{"id": known.at.ID()})
			begin = time.Now()
		},
		start: func(t *test) { time.Sleep(time.Until(begin.Add(remembers))) },
		cases: []trial{
			{"our node is killed: geth opens its node database, and finds in it whom we knew and who we are", func(t *test) {
				ours.command.Process.Kill()
				t.check(ours.wait(prompt) != 0, "it was killed, and says that it ended well")
				read := t.spawn("geth's database", t.bench.geth, "database", "--local", key, ourFolder, known.url)
				t.check(read.wait(prompt) == 0, "geth cannot open it")
				self := t.names(known)[0]
				line := t.event(read, "node", map[string]any{"id": self.ID})
				t.check(line["known"] == true, "it does not know geth's node")
				t.says(line, self)
				pong := time.Unix(as[int64](line["pong"]), 0)
				t.check(pong.After(begin.Add(-time.Minute)) && pong.Before(time.Now()), "last pong %v", pong)
				seeds := as[[]named](t.event(read, "seeds", nil)["nodes"])
				t.check(len(seeds) == 1 && seeds[0].ID == self.ID, "geth would begin with %v", seeds)
				said, err := enode.Parse(enode.ValidSchemes, ours.record())
				t.check(err == nil, "our record: %v", err)
				local := as[uint64](t.event(read, "local", nil)["seq"])
				t.check(local == said.Seq(), "geth reads our sequence number as %d, it is %d", local, said.Seq())
			}},
			{"our node joins again from its node database alone, under the record it had", func(t *test) {
				ours.stop()
				later := t.network(2, known.url)
				// geth names nobody whom it has not found alive, and we ask no more than a few times.
				t.check(t.eventually(settles, func() bool {
					alive := 0
					for _, e := range t.table(known, 0) {
						if e.Live && e.ID != ours.at.ID().String() {
							alive++
						}
					}
					return alive == 2
				}), "geth's nodes do not find each other: %v", t.table(known, 0))
				again = t.ourDiscovery("--nodekey", key, "--nodedb", ourFolder)
				for _, self := range append(t.names(known), t.names(later)...) {
					t.event(again.program, "added", map[string]any{"id": self.ID})
				}
				before, _ := enode.Parse(enode.ValidSchemes, ours.record())
				after, err := enode.Parse(enode.ValidSchemes, again.record())
				t.check(err == nil && after.ID() == before.ID(), "our record is now %v, %v", after, err)
				// It listens at another port, so that its record is another.
				t.check(after.Seq() > before.Seq(), "sequence number %d, then %d", before.Seq(), after.Seq())
			}},
			{"our node joins from the node database that a geth node left", func(t *test) {
				t.check(t.eventually(remembers, func() bool {
					table := t.table(writer, 0)
					return len(table) == 1 && table[0].Checks >= rememberedAfter
				}), "geth's nodes do not find each other: %v", t.table(writer, 0))
				writer.stop()
				heir := t.ourDiscovery("--nodedb", gethsFolder)
				line := t.event(heir.program, "added", map[string]any{"id": other.at.ID()})
				t.says(line, t.names(other)[0])
				t.check(t.eventually(prompt, func() bool {
					mine := func(e entry) bool { return e.ID == heir.at.ID().String() }
					return slices.ContainsFunc(t.table(other, 0), mine)
				}), "our node never reached the one it read of")
			}},
		},
	}
}
