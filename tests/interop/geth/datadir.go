package main

import (
	"crypto/ecdsa"
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"time"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/log"
	"github.com/ethereum/go-ethereum/p2p"
	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/gofrs/flock"
)

// Data directories: geth's server on ours, our node on geth's, never both at a time.

func dataDirectoryTrials() []trial {
	return []trial{
		{"our node goes on with geth's data directory, and geth with it afterwards", weGoOnWithGeths},
		{"geth goes on with our data directory, and we with it afterwards", gethGoesOnWithOurs},
		{"a data directory is geth's or ours, never both at a time", oneAtATime},
		{"a configuration in every name of geth's server is read", everyName},
	}
}

// dataDirectory runs geth's server on a data directory. Lock, key and paths are geth's, put together here as its
// package node does it (openDataDir, NodeKey, NodeDB): with that would come its block database, and minutes of building.
func dataDirectory(arguments []string) {
	var o options
	flags := flag.NewFlagSet("datadir", flag.ExitOnError)
	o.register(flags)
	flags.Parse(arguments)
	if flags.NArg() != 1 {
		fail("usage: geth datadir [flags] DIR")
	}
	end := asked(o.byStdin)
	instance := filepath.Join(flags.Arg(0), "geth")
	if err := os.MkdirAll(instance, 0700); err != nil {
		fail("%v", err)
	}
	lock := flock.New(filepath.Join(instance, "LOCK"))
	if locked, err := lock.TryLock(); err != nil {
		fail("%v", err)
	} else if !locked {
		fail("datadir already used by another process")
	}
	server := &p2p.Server{Config: p2p.Config{
		PrivateKey:   keptKey(filepath.Join(instance, "nodekey")),
		MaxPeers:     o.maxPeers,
		DiscoveryV4:  true,
		Name:         o.name,
		Protocols:    o.protocols(newEchoer()),
		NodeDatabase: filepath.Join(instance, "nodes"),
		ListenAddr:   "127.0.0.1:0",
		Logger:       log.NewLogger(&eventLog{sink: func(map[string]any) {}}),
	}}
	if err := server.Start(); err != nil {
		fail("start: %v", err)
	}
	emit(map[string]any{"event": "listening", "enode": server.Self().URLv4(), "record": server.Self().String()})
	<-end
	server.Stop()
	lock.Unlock()
}

// keptKey loads the key or, if that fails, makes one, as geth's Config.NodeKey does.
func keptKey(file string) *ecdsa.PrivateKey {
	if key, err := crypto.LoadECDSA(file); err == nil {
		return key
	}
	key, err := crypto.GenerateKey()
	if err == nil {
		err = crypto.SaveECDSA(file, key)
	}
	if err != nil {
		fail("%v", err)
	}
	return key
}

// nowhere makes nodes on loopback where nobody listens, for a database: whoever remembers them may ask them.
func nowhere(count int) []remembered {
	now := time.Now().Unix()
	nodes := make([]remembered, count)
	for i := range nodes {
		n := enode.NewV4(&(&options{}).key().PublicKey, net.IPv4(127, 0, byte(1+i), 1), 30303, 30303)
		nodes[i] = remembered{Ping: now - 3, Pong: now, n: n}
	}
	return nodes
}

func (t *test) gethOn(data string) *program {
	return t.spawn("geth on the data directory", t.bench.geth, "datadir", "--quit-with-stdin", data)
}

func (t *test) oursOn(data string) *program {
	return t.ours("run", "--addr", "127.0.0.1", "--port", "0", "--bootnodes", "", "--datadir", data)
}

// self is what the program says it is, once it listens.
func (t *test) self(p *program) *enode.Node {
	t.listening(p)
	line := p.find(prompt, func(line map[string]any) bool { return line["event"] == "listening" })
	n, err := enode.Parse(enode.ValidSchemes, fmt.Sprint(line["record"]))
	t.check(err == nil, "%s: record: %v", p.title, err)
	return n
}

// session runs the program until it listens, and ends it. It gives what it said it was.
func (t *test) session(p *program) *enode.Node {
	self := t.self(p)
	p.command.Process.Signal(syscall.SIGTERM)
	status := p.wait(prompt)
	t.check(status == 0, "%s: exit status %d, want 0", p.title, status)
	return self
}

// goesOn checks that they are one node, in the order of the numbers of its records.
func (t *test) goesOn(sessions ...*enode.Node) {
	for i, next := range sessions[1:] {
		t.check(next.ID() == sessions[0].ID(), "it is %v, it was %v", next.ID(), sessions[0].ID())
		t.check(next.Seq() > sessions[i].Seq(), "record %d after %d", next.Seq(), sessions[i].Seq())
	}
}

// weRemember checks that the database still has these nodes, and nobody has set it aside.
func (t *test) weRemember(data string, nodes []remembered) {
	instance := filepath.Join(data, "geth")
	aside, _ := filepath.Glob(filepath.Join(instance, "nodes?*"))
	t.check(len(aside) == 0, "set aside: %v", aside)
	db, err := enode.OpenDB(filepath.Join(instance, "nodes"))
	t.good(err)
	defer db.Close()
	for _, r := range nodes {
		t.check(db.Node(r.n.ID()) != nil, "%v is forgotten", r.n)
	}
}

func weGoOnWithGeths(t *test) {
	data, nodes := filepath.Join(t.folder, "data"), nowhere(60)
	first := t.session(t.gethOn(data))
	t.good(writeDatabase(filepath.Join(data, "geth", "nodes"), nodes))
	ours := t.session(t.oursOn(data))
	t.weRemember(data, nodes)
	last := t.session(t.gethOn(data))
	t.goesOn(first, ours, last)
	t.weRemember(data, nodes)
	t.detail = fmt.Sprintf(" (%d nodes)", len(nodes))
}

func gethGoesOnWithOurs(t *test) {
	data, nodes := filepath.Join(t.folder, "data"), nowhere(60)
	first := t.session(t.oursOn(data))
	file := filepath.Join(data, "geth", "nodekey")
	before, err := os.ReadFile(file)
	t.good(err)
	t.good(writeDatabase(filepath.Join(data, "geth", "nodes"), nodes))
	geths := t.session(t.gethOn(data))
	t.weRemember(data, nodes)
	last := t.session(t.oursOn(data))
	t.goesOn(first, geths, last)
	t.weRemember(data, nodes)
	after, err := os.ReadFile(file)
	t.check(err == nil && string(after) == string(before), "another key, or none: %v", err)
	info, err := os.Stat(file)
	t.check(err == nil && info.Mode() == 0600, "mode %v %v", info.Mode(), err)
}

func oneAtATime(t *test) {
	data := filepath.Join(t.folder, "data")
	ours := t.oursOn(data)
	t.self(ours)
	geth := t.gethOn(data)
	t.check(geth.wait(prompt) == 1, "geth starts on a directory that is ours")
	t.check(strings.Contains(strings.Join(geth.log, "\n"), "datadir already used"), "geth: another reason")
	ours.stop()
	geth = t.gethOn(data)
	t.self(geth)
	reason := t.refused(t.oursOn(data), []string{"error"}, "")
	t.check(strings.HasSuffix(reason, "in use by another process"), "we say: %s", reason)
	geth.stop()
}

// everyName gives our node a TOML file with each field that geth's p2p.Config has in one.
func everyName(t *test) {
	text, count := "[Node.P2P]\n", 0
	for _, field := range reflect.VisibleFields(reflect.TypeFor[p2p.Config]()) {
		if !field.IsExported() || strings.HasPrefix(field.Tag.Get("toml"), "-") {
			continue
		}
		value, known := map[string]string{"NAT": `"none"`, "NetRestrict": `["127.0.0.0/8"]`}[field.Name]
		if !known {
			value = map[reflect.Kind]string{reflect.Bool: "false", reflect.Int: "0", reflect.String: `""`, reflect.Slice: "[]"}[field.Type.Kind()]
		}
		t.check(value != "", "what is a %v %s?", field.Type, field.Name)
		text += fmt.Sprintf("%s = %s\n", field.Name, value)
		count++
	}
	file := filepath.Join(t.folder, "config.toml")
	start := func(text string) *program {
		t.good(os.WriteFile(file, []byte(text), 0600))
		return t.ours("run", "--addr", "127.0.0.1", "--port", "0", "--config", file)
	}
	t.session(start(text))
	t.refused(start(text+"MaxPeersV6 = 1\n"), []string{"error"},
		fmt.Sprintf(`%s:%d: there is no "MaxPeersV6" in [Node.P2P], the nearest is "MaxPeers"`, file, count+2))
	t.detail = fmt.Sprintf(" (%d names)", count)
}
