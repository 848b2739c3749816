package main

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/log"
	"github.com/ethereum/go-ethereum/p2p"
	"github.com/ethereum/go-ethereum/p2p/enode"
)

// society runs whole servers, which find each other by discovery, connect, and echo to each other. Each line of its
// standard input, which may name a node that the first one is to keep to, is answered by one that says how it stands; it
// ends with its standard input.
func society(arguments []string) {
	flags := flag.NewFlagSet("society", flag.ExitOnError)
	count := flags.Int("nodes", 20, "nodes")
	maxPeers := flags.Int("maxpeers", 50, "most peers of each")
	static := flags.String("static", "", "static nodes of the first one, comma separated")
	trusted := flags.String("trusted", "", "trusted nodes of the first one, comma separated")
	flags.Parse(arguments)

	conversations := &conversations{ends: make(map[string]int)}
	var all members
	var bootnodes []*enode.Node
	for i := range *count {
		config := p2p.Config{
			MaxPeers:       *maxPeers,
			DiscoveryV4:    true,
			BootstrapNodes: bootnodes,
			Name:           "geth-interop/v1.17.6",
			Protocols:      []p2p.Protocol{{Name: "echo", Version: 1, Length: echoLength, Run: conversations.run}},
		}
		if i == 0 {
			config.StaticNodes, config.TrustedNodes = parsed(*static), parsed(*trusted)
		}
		server := started(config)
		if i == 0 {
			bootnodes = []*enode.Node{server.Self()}
		}
		all = append(all, server)
		go conversations.watch(server)
	}
	emit(map[string]any{"event": "listening", "enode": all[0].Self().URLv4(), "nodes": all.names()})
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var o order
		if err := json.Unmarshal(lines.Bytes(), &o); err != nil {
			fail("%q: %v", lines.Text(), err)
		}
		for _, node := range parsed(o.Other) {
			all[0].AddPeer(node)
		}
		answer := conversations.standing(all)
		answer["answer"] = o.Number
		emit(answer)
	}
	conversations.stopping()
	var stops sync.WaitGroup
	for _, server := range all {
		stops.Add(1)
		go func() {
			defer stops.Done()
			server.Stop()
		}()
	}
	stops.Wait()
}

func parsed(list string) (nodes []*enode.Node) {
	for _, text := range strings.FieldsFunc(list, func(r rune) bool { return r == ',' }) {
		node, err := enode.Parse(enode.ValidSchemes, text)
		if err != nil {
			fail("%s: %v", text, err)
		}
		nodes = append(nodes, node)
	}
	return nodes
}

// started is a server at a port of loopback that is free for TCP and for UDP.
func started(config p2p.Config) *p2p.Server {
	for attempt := 0; ; attempt++ {
		config.PrivateKey = (&options{}).key()
		config.ListenAddr = "127.0.0.1:0"
		config.Logger = log.NewLogger(slog.DiscardHandler)
		server := &p2p.Server{Config: config}
		err := server.Start()
		if err == nil {
			return server
		}
		if attempt == 10 {
			fail("start: %v", err)
		}
	}
}

// conversations is what all of them have come to.
type conversations struct {
	lock          sync.Mutex
	intact, wrong int
	// Echoes of nodes that are not geth's.
	strangers int
	ends      map[string]int // why peers were dropped
	stopped   bool
}

func (c *conversations) count(peer *p2p.Peer, intact bool) {
	c.lock.Lock()
	defer c.lock.Unlock()
	if !intact {
		c.wrong++
		return
	}
	c.intact++
	if !strings.HasPrefix(peer.Fullname(), "geth-interop/") {
		c.strangers++
	}
}

func (c *conversations) stopping() {
	c.lock.Lock()
	defer c.lock.Unlock()
	c.stopped = true
}

// watch counts why peers go.
func (c *conversations) watch(server *p2p.Server) {
	events := make(chan *p2p.PeerEvent, 256)
	server.SubscribeEvents(events)
	for event := range events {
		if event.Type != p2p.PeerEventTypeDrop {
			continue
		}
		c.lock.Lock()
		if !c.stopped {
			c.ends[event.Error]++
		}
		c.lock.Unlock()
	}
}

// run asks a peer ten times a second, answers it, and checks what comes back.
func (c *conversations) run(peer *p2p.Peer, rw p2p.MsgReadWriter) error {
	replies := make(chan []byte, 1)
	ended := make(chan error, 2)
	go func() {
		for number := 0; ; number++ {
			payload := make([]byte, []int{0, 32, 1000, 16000, 100}[number%5])
			rand.Read(payload)
			request := p2p.Msg{Code: echoRequest, Size: uint32(len(payload)), Payload: bytes.NewReader(payload)}
			if err := rw.WriteMsg(request); err != nil {
				return
			}
			select {
			case reply, open := <-replies:
				if !open {
					return
				}
				c.count(peer, bytes.Equal(reply, payload))
			case <-time.After(prompt):
				c.count(peer, false)
			}
			time.Sleep(100 * time.Millisecond)
		}
	}()
	go func() {
		ended <- answer(rw, replies)
		close(replies)
	}()
	return <-ended
}

func answer(rw p2p.MsgReadWriter, replies chan<- []byte) error {
	for {
		message, err := rw.ReadMsg()
		if err != nil {
			return err
		}
		payload, err := io.ReadAll(message.Payload)
		if err != nil {
			return err
		}
		if message.Code == echoReply {
			replies <- payload
			continue
		}
		reply := p2p.Msg{Code: echoReply, Size: uint32(len(payload)), Payload: bytes.NewReader(payload)}
		if err := rw.WriteMsg(reply); err != nil {
			return err
		}
	}
}

// standing is who is connected to whom, and what came back of what was sent.
func (c *conversations) standing(all members) map[string]any {
	peers := make([][]string, len(all))
	for i, server := range all {
		peers[i] = []string{}
		for _, peer := range server.Peers() {
			peers[i] = append(peers[i], peer.Fullname())
		}
	}
	c.lock.Lock()
	defer c.lock.Unlock()
	ends := make(map[string]int)
	for reason, count := range c.ends {
		ends[reason] = count
	}
	return map[string]any{
		"peers": peers, "intact": c.intact, "wrong": c.wrong, "strangers": c.strangers, "ends": ends,
	}
}

// oneSociety is twenty servers of geth's and five nodes of ours, on both runtimes, in one network for a minute.
func oneSociety(t *test) {
	geth := &gethNetwork{node: t.listening(t.spawn("geth's society", t.bench.geth, "society"))}
	devnet := func(runtime, nodes string) *program {
		return t.ours("devnet", "--nodes", nodes, "--for", "60s", "--runtime", runtime, "--join", geth.url)
	}
	for _, devnet := range []*program{devnet("smol", "3"), devnet("tokio", "2")} {
		t.check(devnet.wait(2*time.Minute) == 0, "our devnet: exit status %d, want 0", devnet.wait(0))
		summary := devnet.lines[len(devnet.lines)-1]
		least := as[map[string]float64](summary["peers"])["least"]
		t.check(least >= 12, "one of ours has %v peers", least)
	}
	standing := t.order(geth, prompt, order{Do: "standing"})
	for i, peers := range as[[][]string](standing["peers"]) {
		// Ours have left by now.
		t.check(len(peers) >= 12, "geth's node %d has %d peers", i, len(peers))
	}
	t.check(as[int](standing["wrong"]) == 0, "%v of geth's echoes came back wrong", standing["wrong"])
	strangers := as[int](standing["strangers"])
	t.check(strangers > 1000, "only %d echoes between geth and ours", strangers)
	for reason, count := range as[map[string]int](standing["ends"]) {
		switch reason {
		case "client quitting", "already connected", "too many peers":
		default:
			t.failf("%d connections of geth's ended with %q", count, reason)
		}
	}
	t.detail = fmt.Sprintf(" (%d echoes between geth and ours)", strangers)
}

func societyTrials() []trial {
	return []trial{
		{"twenty geth servers and five nodes of ours, on smol and tokio, are one network for a minute", oneSociety},
		{"our node is a static node of geth's, which dials it; and geth is one of ours", staticNodes},
		{"a full geth server refuses our node, and ours geth's, by the reason that both report", fullNodes},
		{"a geth server with no place for anyone admits our node, which it trusts", trustedByGeth},
		{"a node of ours with no place for anyone admits a geth server, which it trusts", trustedByUs},
	}
}

// ourRun is a whole node of ours without discovery.
func (t *test) ourRun(arguments ...string) *node {
	arguments = append([]string{"run", "--addr", "127.0.0.1", "--port", "0", "--nodiscover", "--echo"}, arguments...)
	return t.listening(t.ours(arguments...))
}

func (t *test) society(arguments ...string) *gethNetwork {
	arguments = append([]string{"society", "--nodes", "1"}, arguments...)
	return &gethNetwork{node: t.listening(t.spawn("geth's server", t.bench.geth, arguments...))}
}

// hasPeers waits until geth's server has so many.
func (t *test) hasPeers(geth *gethNetwork, want int) {
	peers := []string{}
	t.check(t.eventually(prompt, func() bool {
		peers = as[[][]string](t.order(geth, prompt, order{Do: "standing"})["peers"])[0]
		return len(peers) == want
	}), "geth has the peers %v, want %d", peers, want)
}

func staticNodes(t *test) {
	ours := t.ourRun()
	geth := t.society("--static", ours.url)
	t.event(ours.program, "connected", map[string]any{"id": geth.at.ID(), "direction": "inbound"})
	t.hasPeers(geth, 1)
	other := t.ourRun("--staticnodes", geth.url)
	t.event(other.program, "connected", map[string]any{"id": geth.at.ID(), "direction": "outbound"})
	t.hasPeers(geth, 2)
}

func fullNodes(t *test) {
	// geth keeps one of two places for those that it dials itself.
	full := t.society("--maxpeers", "2")
	first := t.ourRun("--staticnodes", full.url)
	t.event(first.program, "connected", nil)
	second := t.ourRun("--staticnodes", full.url)
	t.event(second.program, "refused", map[string]any{"by": "remote", "reason": "too many peers"})

	ours := t.ourRun("--maxpeers", "0")
	refused := t.society("--static", ours.url)
	t.event(ours.program, "refused", map[string]any{"id": refused.at.ID(), "by": "local", "reason": "too many peers"})
}

func trustedByGeth(t *test) {
	key := filepath.Join(t.folder, "trusted")
	t.check(t.spawn("our key", t.bench.ours, "key", "generate", key).wait(prompt) == 0, "no key")
	url := t.spawn("our key", t.bench.ours, "key", "to-enode", key)
	t.check(url.wait(prompt) == 0, "no URL")
	geth := t.society("--maxpeers", "0", "--trusted", url.stdout())
	ours := t.ourRun("--nodekey", key, "--staticnodes", geth.url)
	t.event(ours.program, "connected", map[string]any{"id": geth.at.ID()})
	t.hasPeers(geth, 1)
}

func trustedByUs(t *test) {
	geth := t.society()
	ours := t.ourRun("--maxpeers", "0", "--trustednodes", geth.url)
	t.order(geth, prompt, order{Do: "standing", Other: ours.url})
	t.event(ours.program, "connected", map[string]any{"id": geth.at.ID(), "direction": "inbound"})
	t.hasPeers(geth, 1)
}
