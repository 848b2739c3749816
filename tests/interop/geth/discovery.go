package main

import (
	"crypto/ecdsa"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/p2p/enode"
)

// settles is how long a network may take until everybody knows everybody: nodes are only passed on once they were
// found alive, and geth asks one of its new nodes every 1.5 s on average.
const settles = 120 * time.Second

// revalidates is how long a table may take until it has pinged each of twenty nodes a few times: one at a time, at random.
const revalidates = 300 * time.Second

func discoveryTrials() []trial {
	return []trial{
		{"our discv4 ping, requestenr and resolve of a geth node print what it says of itself", weAskGeth},
		{"our discv4 ping of a node that is not there: exit status 1 and a reason", nobodyAnswers},
		{"our node joins through a geth bootnode, and geth's devp2p discv4 ping, requestenr and resolve find it", weJoin},
		{"our devp2p discv4 resolve finds a geth node that has moved, through our bootnode", weResolve},
		{"geth updates its record: our node, our requestenr and our resolve learn it", gethUpdates},
	}
}

// ours is what every discovery command of ours gets: loopback, and no bootnode but these.
func (t *test) discv4(command string, arguments ...string) []string {
	all := append([]string{"discv4", command, "--addr", "127.0.0.1:0"}, arguments...)
	if !slices.Contains(arguments, "--bootnodes") {
		all = append(all, "--bootnodes", "") // else they would be mainnet's
	}
	return all
}

// ourDiscovery starts a node of ours for discovery alone.
func (t *test) ourDiscovery(arguments ...string) *node {
	return t.listening(t.ours(t.discv4("listen", arguments...)...))
}

// tries is how often a node is asked. An answer is good for half a second, which a busy machine may need for something
// else; geth's resolve then says what it was told.
const tries = 3

// ourAnswer is the one JSON object with which a command of ours succeeds.
func (t *test) ourAnswer(command string, arguments ...string) map[string]any {
	for range tries - 1 {
		p := t.ours(t.discv4(command, arguments...)...)
		if p.wait(prompt) == 0 {
			return t.succeeds(p, prompt)
		}
	}
	return t.succeeds(t.ours(t.discv4(command, arguments...)...), prompt)
}

// gethAnswer is what geth's tool prints, tried again while it is not right.
func (t *test) gethAnswer(right func(string) bool, command string, arguments ...string) string {
	answer, status := "", 0
	for range tries {
		p := t.spawn("geth's "+command, t.bench.tool, t.discv4(command, arguments...)...)
		status = p.wait(prompt)
		answer = p.stdout()
		if status == 0 && right(answer) {
			return answer
		}
	}
	t.failf("geth's %s: exit status %d, it says %q", command, status, answer)
	return ""
}

func (n *node) record() string {
	for _, line := range n.lines {
		if line["event"] == "listening" {
			return fmt.Sprint(line["record"])
		}
	}
	return ""
}

// gethNetwork is some geth nodes in one process.
type gethNetwork struct {
	*node
	orders int
}

func (t *test) network(nodes int, bootnodes string, arguments ...string) *gethNetwork {
	arguments = append([]string{"network", "--nodes", fmt.Sprint(nodes), "--bootnodes", bootnodes}, arguments...)
	return &gethNetwork{node: t.listening(t.spawn("geth's network", t.bench.geth, arguments...))}
}

// order has the network do something and gives its answer.
func (t *test) order(n *gethNetwork, limit time.Duration, o order) map[string]any {
	n.orders++
	o.Number = n.orders
	line, _ := json.Marshal(o)
	fmt.Fprintf(n.stdin, "%s\n", line)
	answer := n.find(limit, func(line map[string]any) bool { return fmt.Sprint(line["answer"]) == fmt.Sprint(o.Number) })
	t.check(answer != nil, "%s: no answer to %s", n.title, line)
	t.check(answer["error"] == nil, "%s: %v in answer to %s", n.title, answer["error"], line)
	return answer
}

// as is a part of an answer in its own type.
func as[T any](value any) (typed T) {
	text, _ := json.Marshal(value)
	json.Unmarshal(text, &typed)
	return typed
}

// names is what the nodes of a network say of themselves now.
func (t *test) names(n *gethNetwork) []named {
	return as[[]named](t.order(n, prompt, order{Do: "nodes"})["nodes"])
}

func (t *test) table(n *gethNetwork, of int) []entry {
	return as[[]entry](t.order(n, prompt, order{Do: "table", Node: of})["table"])
}

// eventually waits for something that nobody tells.
func (t *test) eventually(limit time.Duration, holds func() bool) bool {
	for end := time.Now().Add(limit); ; time.Sleep(200 * time.Millisecond) {
		if holds() {
			return true
		}
		if time.Now().After(end) {
			return false
		}
	}
}

// nowhere is the URL of a node at a port where somebody listens who never answers.
func (t *test) nowhere(url string) string {
	socket, err := net.ListenPacket("udp", "127.0.0.1:0")
	t.check(err == nil, "%v", err)
	t.sockets = append(t.sockets, socket)
	at, err := enode.ParseV4(url)
	t.check(err == nil, "%v", err)
	port := socket.LocalAddr().(*net.UDPAddr).Port
	return enode.NewV4(at.Pubkey(), net.IPv4(127, 0, 0, 1), port, port).URLv4()
}

// says checks a node that our program tells of.
func (t *test) says(line map[string]any, want named) {
	t.check(line["id"] == want.ID, "id %v, want %v", line["id"], want.ID)
	t.check(line["record"] == want.Record, "record %v, want %v", line["record"], want.Record)
	t.check(as[uint64](line["seq"]) == want.Sequence, "sequence number %v, want %d", line["seq"], want.Sequence)
}

func weAskGeth(t *test) {
	geth := t.network(1, "")
	pong := t.ourAnswer("ping", geth.url)
	// Whoever pings may make it learn its endpoint anew, so it is asked for its record afterwards.
	self := t.names(geth)[0]
	t.check(pong["id"] == self.ID, "the pong is %v's", pong["id"])
	t.check(as[uint64](pong["seq"]) == self.Sequence, "sequence number %v, want %d", pong["seq"], self.Sequence)
	seen, _ := pong["seen_at"].(string)
	t.check(strings.HasPrefix(seen, "127.0.0.1:"), "seen at %q", seen)
	t.says(t.ourAnswer("requestenr", geth.url), self)
	t.says(t.ourAnswer("resolve", geth.url), self)
	t.says(t.ourAnswer("requestenr", self.Record), self)
	t.detail = fmt.Sprintf(" (%.2f ms)", pong["ping_ms"])
}

func nobodyAnswers(t *test) {
	at := t.nowhere(t.network(1, "").url)
	ping := t.ours(t.discv4("ping", at)...)
	t.check(ping.wait(prompt) == 1, "exit status %d, want 1", ping.wait(0))
	t.check(ping.stdout()+strings.Join(ping.log[1:len(ping.log)-1], "") != "", "it says nothing")
}

func weJoin(t *test) {
	geth := t.network(1, "")
	ours := t.ourDiscovery("--bootnodes", geth.url)
	seen := t.eventually(prompt, func() bool {
		all := t.table(geth, 0)
		return len(all) == 1 && all[0].ID == ours.at.ID().String()
	})
	t.check(seen, "geth's table does not hold our node alone: %v", t.table(geth, 0))
	t.event(ours.program, "added", map[string]any{"id": geth.at.ID()})

	responded := func(answer string) bool { return strings.Contains(answer, "node responded") }
	t.gethAnswer(responded, "ping", ours.url)
	ourRecord := func(answer string) bool { return answer == ours.record() }
	for command, node := range map[string]string{"requestenr": ours.url, "resolve": t.nowhere(ours.url)} {
		t.gethAnswer(ourRecord, command, "--bootnodes", geth.url, node)
	}
	// The server's own look-up too: it has our URL at most, and asks us for our record.
	resolved := as[named](t.order(geth, prompt, order{Do: "resolve", Other: t.nowhere(ours.url)})["node"])
	t.check(resolved.Record == ours.record(), "geth resolves us as %v", resolved)
}

func weResolve(t *test) {
	ours := t.ourDiscovery()
	geth := t.network(3, ours.url)
	for i, self := range t.names(geth) {
		t.event(ours.program, "added", map[string]any{"id": self.ID})
		// Once our bootnode has found anybody alive it passes on none but those. It tells of a record that it has
		// learnt when it checks whether a node lives; a visitor who asked before may have been checked first.
		alive := ours.find(settles, func(line map[string]any) bool {
			return line["event"] == "updated" && line["id"] == self.ID
		})
		t.check(alive != nil, "our bootnode never finds %s alive", self.Enode)
		at := t.nowhere(self.Enode)
		t.says(t.ourAnswer("resolve", "--bootnodes", ours.url, at), t.names(geth)[i])
	}
	// A node that is nowhere is not found.
	stranger := enode.NewV4(&(&options{}).key().PublicKey, net.IPv4(127, 0, 0, 1), 1, 1).URLv4()
	line := t.ours(t.discv4("resolve", "--bootnodes", ours.url, t.nowhere(stranger))...)
	t.check(line.wait(prompt) == 1, "resolve of nobody: exit status %d, want 1", line.wait(0))
}

func gethUpdates(t *test) {
	geth := t.network(1, "")
	ours := t.ourDiscovery("--bootnodes", geth.url)
	t.event(ours.program, "added", map[string]any{"id": geth.at.ID()})
	before := t.names(geth)[0]
	for _, value := range []string{"one", "two"} {
		after := as[named](t.order(geth, prompt, order{Do: "set", Value: value})["node"])
		t.check(after.Sequence > before.Sequence, "geth's sequence number: %d, then %d", before.Sequence, after.Sequence)
		begin := time.Now()
		// Revalidation learns it: within 3 s of the last one at first, later within 9 s.
		line := ours.find(2*prompt, func(line map[string]any) bool {
			return line["event"] == "updated" && as[uint64](line["seq"]) == after.Sequence
		})
		t.check(line != nil, "our node does not learn of record %d", after.Sequence)
		t.says(line, after)
		t.detail += fmt.Sprintf(" (learnt after %.1f s)", time.Since(begin).Seconds())
		t.says(t.ourAnswer("requestenr", before.Record), after)
		t.says(t.ourAnswer("resolve", "--bootnodes", ours.url, t.nowhere(before.Enode)), after)
		before = after
	}
}

// inNetwork is twenty geth nodes that know nothing at first but a bootnode of ours.
func inNetwork() stage {
	const count = 20
	var ours *node
	var geth *gethNetwork
	var looking *node
	// others are all but one node, as they are now.
	others := func(t *test, but string) []named {
		all := append(t.names(geth), named{ID: ours.at.ID().String(), Enode: ours.url, Record: ours.record()})
		if looking != nil {
			all = append(all, named{ID: looking.at.ID().String(), Enode: looking.url, Record: looking.record()})
		}
		return slices.DeleteFunc(all, func(n named) bool { return n.ID == but })
	}
	return stage{
		start: func(t *test) {
			ours = t.ourDiscovery()
			geth = t.network(count, ours.url)
		},
		cases: []trial{
			{"twenty geth nodes with ours as their only bootnode: each finds every other", func(t *test) {
				begin := time.Now()
				walk := order{Do: "walk", Count: count, Seconds: int(settles.Seconds())}
				found := as[[][]named](t.order(geth, settles+prompt, walk)["found"])
				t.check(len(found) == count, "%d nodes walked", len(found))
				for i, self := range t.names(geth) {
					t.same("geth's node "+fmt.Sprint(i), ends(found[i]), ends(others(t, self.ID)))
				}
				t.detail = fmt.Sprintf(" (after %.0f s)", time.Since(begin).Seconds())
			}},
			{"geth's nodes have all of that network alive in their tables, ours among them", func(t *test) {
				missing := ""
				// A busy node misses a pong, drops who sent it, and has it again when that one
				// pings: each is to be alive in each table at some time, not all at one.
				seen := make(map[[2]string]bool)
				t.check(t.eventually(revalidates, func() bool {
					missing = ""
					for i, self := range t.names(geth) {
						held := make(map[int]int)
						for _, e := range t.table(geth, i) {
							pair := [2]string{self.ID, e.ID}
							seen[pair] = seen[pair] || e.Live
							held[bucket(self.ID, e.ID)]++
						}
						for _, other := range others(t, self.ID) {
							// Half of a network is in the farthest bucket, now and then more of it than has room there.
							full := held[bucket(self.ID, other.ID)] == 16
							if !seen[[2]string{self.ID, other.ID}] && !full {
								missing += fmt.Sprintf("\n%s lacks %s", self.Enode, other.Enode)
							}
						}
					}
					return missing == ""
				}), "after %v%s", revalidates, missing)
			}},
			{"our look-up of any id in that network returns the 16 closest nodes, as geth's does", func(t *test) {
				looking = t.listening(t.spawn("our look-up", t.bench.lookUp, "--bootnodes", ours.url))
				targets := randomTargets(30)
				for _, self := range t.names(geth)[:4] {
					at, _ := enode.ParseV4(self.Enode)
					targets = append(targets, t.publicKey(at))
				}
				asker := t.names(geth)[0]
				gethFinds := func(target string) []string {
					answer := t.order(geth, prompt, order{Do: "look up", Target: target})
					return ids(as[[]named](answer["nodes"]))
				}
				// It has settled once geth finds whom there is to be found.
				t.check(t.eventually(settles, func() bool {
					for _, target := range targets {
						if !slices.Equal(gethFinds(target), closest(others(t, asker.ID), target)) {
							return false
						}
					}
					return true
				}), "geth's own look-ups never find the closest")
				for _, target := range targets {
					fmt.Fprintln(looking.stdin, target)
					line := t.event(looking.program, "looked up", map[string]any{"target": target})
					want := closest(others(t, looking.at.ID().String()), target)
					got := ids(as[[]named](line["nodes"]))
					t.check(slices.Equal(got, want), "%s:\nours    %v\nclosest %v", target, got, want)
					// Each leaves itself out, and one that is further away comes in for it. Else they are one.
					neither := func(id string) bool { return id == asker.ID || id == looking.at.ID().String() }
					theirs := slices.DeleteFunc(gethFinds(target), neither)
					got = slices.DeleteFunc(got, neither)
					both := min(len(got), len(theirs))
					t.check(both >= 14 && slices.Equal(got[:both], theirs[:both]), "%s:\nours   %v\ngeth's %v", target, got, theirs)
				}
				t.detail = fmt.Sprintf(" (%d ids)", len(targets))
			}},
			{"our crawl of that network finds all of it with its right records, as geth's does", func(t *test) {
				mine, theirs := filepath.Join(t.folder, "ours.json"), filepath.Join(t.folder, "geths.json")
				crawl := t.ours(t.discv4("crawl", "--bootnodes", ours.url, "--timeout", "20s", mine)...)
				gethCrawl := t.spawn("geth's crawl", t.bench.tool,
					t.discv4("crawl", "--bootnodes", ours.url, "--timeout", "20s", theirs)...)
				status := crawl.wait(4 * prompt)
				t.check(status == 0, "our crawl: exit status %d, want 0", status)
				t.check(gethCrawl.wait(4*prompt) == 0, "geth's crawl: exit status %d", gethCrawl.wait(0))
				// geth's crawler may meet ours and ours geth's: each answers while it lives.
				want := others(t, "")
				got := t.crawled(mine)
				for _, self := range want {
					n, found := got[self.ID]
					t.check(found, "our crawl has no %s", self.Enode)
					t.check(n.Record == self.Record, "our crawl has %s as %s, it is %s", self.Enode, n.Record, self.Record)
					at, _ := enode.Parse(enode.ValidSchemes, self.Record)
					t.check(n.Sequence == at.Seq(), "sequence number %d, want %d", n.Sequence, at.Seq())
					t.check(n.Score > 0 && !n.FirstResponse.IsZero() && !n.LastResponse.IsZero() && !n.LastCheck.IsZero(),
						"our crawl has of %s: %+v", self.Enode, n)
				}
				t.check(len(got) <= len(want)+1, "our crawl has %d nodes, want %d and at most geth's crawler", len(got), len(want))
				for id, n := range t.crawled(theirs) {
					if mine, found := got[id]; found {
						t.check(mine.Record == n.Record, "of %s our crawl has %s, geth's %s", id, mine.Record, n.Record)
					}
				}
				info := t.spawn("geth's nodeset", t.bench.tool, "nodeset", "info", mine)
				t.check(info.wait(prompt) == 0, "geth's tool cannot read our file")
				wanted := fmt.Sprintf("Set contains %d nodes", len(got))
				t.check(strings.Contains(info.stdout()+strings.Join(info.log, ""), wanted), "it does not say %q", wanted)
				t.detail = fmt.Sprintf(" (%d nodes)", len(got))
			}},
		},
	}
}

// bucket is the one of the 17 in which the table of a node has another.
func bucket(self, other string) int {
	return max(enode.LogDist(enode.HexID(self), enode.HexID(other))-240, 0)
}

// nodeInFile is a node in a file that a crawl writes.
type nodeInFile struct {
	Sequence      uint64    `json:"seq"`
	Record        string    `json:"record"`
	Score         int       `json:"score"`
	FirstResponse time.Time `json:"firstResponse"`
	LastResponse  time.Time `json:"lastResponse"`
	LastCheck     time.Time `json:"lastCheck"`
}

func (t *test) crawled(file string) map[string]nodeInFile {
	text, err := os.ReadFile(file)
	t.check(err == nil, "%v", err)
	var nodes map[string]nodeInFile
	err = json.Unmarshal(text, &nodes)
	t.check(err == nil, "%s: %v", file, err)
	return nodes
}

// same checks two sets.
func (t *test) same(who string, got, want []string) {
	slices.Sort(got)
	slices.Sort(want)
	for _, one := range want {
		t.check(slices.Contains(got, one), "%s has not found %s; it found %d of %d", who, one, len(got), len(want))
	}
	t.check(slices.Equal(got, want), "%s has found %v, want %v", who, got, want)
}

func ids(nodes []named) []string {
	all := make([]string, len(nodes))
	for i, n := range nodes {
		all[i] = n.ID
	}
	return all
}

// ends are nodes by id and UDP endpoint.
func ends(nodes []named) []string {
	all := make([]string, len(nodes))
	for i, n := range nodes {
		at, err := enode.ParseV4(n.Enode)
		if err != nil {
			all[i] = err.Error()
			continue
		}
		endpoint, _ := at.UDPEndpoint()
		all[i] = fmt.Sprintf("%v@%v", at.ID(), endpoint)
	}
	return all
}

// randomTargets are public keys in hexadecimal.
func randomTargets(count int) []string {
	all := make([]string, count)
	for i := range all {
		all[i] = digits(&(&options{}).key().PublicKey)
	}
	return all
}

func digits(key *ecdsa.PublicKey) string {
	return hex.EncodeToString(crypto.FromECDSAPub(key)[1:])
}

// closest are the ids of the 16 nodes that are closest to a public key, in order.
func closest(nodes []named, target string) []string {
	key, _ := hex.DecodeString(target)
	at := enode.ID(crypto.Keccak256Hash(key))
	all := ids(nodes)
	slices.SortFunc(all, func(a, b string) int { return enode.DistCmp(at, enode.HexID(a), enode.HexID(b)) })
	return all[:min(16, len(all))]
}
