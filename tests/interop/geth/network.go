package main

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"math/big"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/log"
	"github.com/ethereum/go-ethereum/p2p"
	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/ethereum/go-ethereum/p2p/enr"
)

// network runs servers that do nothing but discovery, and answers questions about them: each line of its standard
// input is an order, to which one line of its standard output is the answer. It ends with its standard input.
func network(arguments []string) {
	flags := flag.NewFlagSet("network", flag.ExitOnError)
	count := flags.Int("nodes", 20, "nodes")
	bootnodes := flags.String("bootnodes", "", "nodes to begin with, comma separated")
	database := flags.String("nodedb", "", "node database of the first node (default: in memory)")
	flags.Parse(arguments)

	var start []*enode.Node
	for _, text := range strings.FieldsFunc(*bootnodes, func(r rune) bool { return r == ',' }) {
		node, err := enode.Parse(enode.ValidSchemes, text)
		if err != nil {
			fail("bootnode %s: %v", text, err)
		}
		start = append(start, node)
	}
	var all members
	for i := range *count {
		path := ""
		if i == 0 {
			path = *database
		}
		all = append(all, member(start, path))
	}
	emit(map[string]any{"event": "listening", "enode": all[0].Self().URLv4(), "nodes": all.names()})

	ended := make(chan struct{})
	var pending sync.WaitGroup
	go func() {
		defer close(ended)
		lines := bufio.NewScanner(os.Stdin)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			var o order
			if err := json.Unmarshal(lines.Bytes(), &o); err != nil {
				fail("%q: %v", lines.Text(), err)
			}
			pending.Add(1)
			go func() {
				defer pending.Done()
				answer := all.obey(o)
				answer["answer"] = o.Number
				emit(answer)
			}()
		}
		pending.Wait()
	}()
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	select {
	case <-ended:
	case <-signals:
	}
	for _, server := range all {
		server.Stop()
	}
}

// member is one node: no peers, no dialing, no discovery v5.
func member(bootnodes []*enode.Node, database string) *p2p.Server {
	for attempt := 0; ; attempt++ {
		server := &p2p.Server{Config: p2p.Config{
			PrivateKey:     (&options{}).key(),
			MaxPeers:       1,
			NoDial:         true,
			DiscoveryV4:    true,
			BootstrapNodes: bootnodes,
			NodeDatabase:   database,
			Name:           "geth-interop/v1.17.6",
			ListenAddr:     "127.0.0.1:0",
			Logger:         log.NewLogger(slog.DiscardHandler),
		}}
		err := server.Start()
		if err == nil {
			return server
		}
		// The port that is free for TCP may be somebody else's for UDP.
		if attempt == 10 {
			fail("start: %v", err)
		}
	}
}

// named is a node as it is told: by URL and record, both at this moment.
type named struct {
	ID       string `json:"id"`
	Enode    string `json:"enode"`
	Record   string `json:"record"`
	Sequence uint64 `json:"seq"`
}

func name(n *enode.Node) named {
	return named{n.ID().String(), n.URLv4(), n.String(), n.Seq()}
}

func namesOf(nodes []*enode.Node) []named {
	all := make([]named, len(nodes))
	for i, n := range nodes {
		all[i] = name(n)
	}
	return all
}

// order is what one line asks for.
type order struct {
	Number  int    `json:"number"`
	Do      string `json:"do"`
	Node    int    `json:"node"`    // which of the nodes does it
	Target  string `json:"target"`  // look up: a public key, 128 hex digits
	Other   string `json:"other"`   // request, resolve, standing: a URL or record
	Value   string `json:"value"`   // set: what the entry `interop` of the record becomes
	Count   int    `json:"count"`   // walk: how many others are to be found
	Seconds int    `json:"seconds"` // walk: how long at most
}

type members []*p2p.Server

func (m members) names() []named {
	all := make([]named, len(m))
	for i, server := range m {
		all[i] = name(server.Self())
	}
	return all
}

func (m members) obey(o order) map[string]any {
	if o.Node < 0 || o.Node >= len(m) {
		return map[string]any{"error": fmt.Sprintf("no node %d", o.Node)}
	}
	server := m[o.Node]
	one := func(n *enode.Node, err error) map[string]any {
		if err != nil {
			return map[string]any{"error": err.Error()}
		}
		return map[string]any{"node": name(n)}
	}
	switch o.Do {
	case "nodes":
		return map[string]any{"nodes": m.names()}
	case "walk":
		return map[string]any{"found": m.walk(o.Count, time.Duration(o.Seconds)*time.Second)}
	case "table":
		return map[string]any{"table": table(server)}
	case "look up":
		target, err := publicKey(o.Target)
		if err != nil {
			return map[string]any{"error": err.Error()}
		}
		return map[string]any{"nodes": namesOf(server.DiscoveryV4().LookupPubkey(target))}
	case "set":
		server.LocalNode().Set(enr.WithEntry("interop", o.Value))
		return one(server.Self(), nil)
	case "request", "resolve":
		other, err := enode.Parse(enode.ValidSchemes, o.Other)
		if err != nil {
			return map[string]any{"error": err.Error()}
		}
		if o.Do == "resolve" {
			return one(server.DiscoveryV4().Resolve(other), nil)
		}
		return one(server.DiscoveryV4().RequestENR(other))
	default:
		return map[string]any{"error": "unknown order " + o.Do}
	}
}

// walk lets each node walk about until it has met that many others, or for so long.
func (m members) walk(count int, limit time.Duration) [][]named {
	found := make([][]named, len(m))
	var walkers sync.WaitGroup
	for i, server := range m {
		walkers.Add(1)
		go func() {
			defer walkers.Done()
			ctx, cancel := context.WithTimeout(context.Background(), limit)
			defer cancel()
			nodes := server.DiscoveryV4().RandomNodes()
			context.AfterFunc(ctx, nodes.Close)
			met := make(map[enode.ID]bool)
			for len(met) < count && nodes.Next() {
				if n := nodes.Node(); !met[n.ID()] {
					met[n.ID()] = true
					found[i] = append(found[i], name(n))
				}
			}
			nodes.Close()
		}()
	}
	walkers.Wait()
	return found
}

type entry struct {
	named
	Live   bool `json:"live"`
	Checks int  `json:"checks"`
}

func table(server *p2p.Server) []entry {
	all := []entry{}
	for _, bucket := range server.DiscoveryV4().TableBuckets() {
		for _, n := range bucket {
			all = append(all, entry{name(n.Node), n.Live, n.Checks})
		}
	}
	return all
}

func publicKey(digits string) (*ecdsa.PublicKey, error) {
	bytes, err := hex.DecodeString(digits)
	if err != nil || len(bytes) != 64 {
		return nil, fmt.Errorf("target %q: want 128 hex digits", digits)
	}
	// Any 64 bytes do as a target: they are hashed, and never used as a key.
	x, y := new(big.Int).SetBytes(bytes[:32]), new(big.Int).SetBytes(bytes[32:])
	return &ecdsa.PublicKey{Curve: crypto.S256(), X: x, Y: y}, nil
}

// database opens a node database as geth does and tells what it holds about these nodes, and what it would begin with.
func database(arguments []string) {
	flags := flag.NewFlagSet("database", flag.ExitOnError)
	local := flags.String("local", "", "the node whose own database it is; asks for its sequence number")
	flags.Parse(arguments)
	if flags.NArg() < 1 {
		fail("database: want DIR [ENODE...]")
	}
	db, err := enode.OpenDB(flags.Arg(0))
	if err != nil {
		fail("%s: %v", flags.Arg(0), err)
	}
	defer db.Close()
	for _, text := range flags.Args()[1:] {
		asked, err := enode.Parse(enode.ValidSchemes, text)
		if err != nil {
			fail("%s: %v", text, err)
		}
		line := map[string]any{"event": "node", "id": asked.ID().String(), "known": false,
			"ping":  db.LastPingReceived(asked.ID(), asked.IPAddr()).Unix(),
			"pong":  db.LastPongReceived(asked.ID(), asked.IPAddr()).Unix(),
			"fails": db.FindFails(asked.ID(), asked.IPAddr()), "seq": db.NodeSeq(asked.ID())}
		if known := db.Node(asked.ID()); known != nil {
			line["known"], line["enode"], line["record"] = true, known.URLv4(), known.String()
		}
		emit(line)
	}
	if *local != "" {
		key, err := crypto.LoadECDSA(*local)
		if err != nil {
			fail("%s: %v", *local, err)
		}
		// A local node goes on where the database says that it was.
		emit(map[string]any{"event": "local", "seq": enode.NewLocalNode(db, key).Seq()})
	}
	seeds := db.QuerySeeds(30, 5*24*time.Hour)
	emit(map[string]any{"event": "seeds", "nodes": namesOf(seeds)})
}
