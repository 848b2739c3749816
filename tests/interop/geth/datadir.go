package main

import (
	"encoding/binary"
	"encoding/hex"
	"flag"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"time"

	"github.com/ethereum/go-ethereum/log"
	gethnode "github.com/ethereum/go-ethereum/node"
	"github.com/ethereum/go-ethereum/p2p"
	"github.com/ethereum/go-ethereum/p2p/discover"
	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/ethereum/go-ethereum/rlp"
	"github.com/syndtr/goleveldb/leveldb"
	"github.com/syndtr/goleveldb/leveldb/opt"
)

// Data directories: geth's node on ours, our node on geth's, never both at a time.

func dataDirectoryTrials() []trial {
	return []trial{
		{"our node goes on with geth's data directory, and geth with it afterwards", weGoOnWithGeths},
		{"geth goes on with our data directory, and we with it afterwards", gethGoesOnWithOurs},
		{"our node asks whom only the database in geth's data directory knows", weAskGeths},
		{"geth asks whom only the database in our data directory knows", gethAsksOurs},
		{"a data directory is geth's or ours, never both at a time", oneAtATime},
		{"a configuration in every name of geth's server is read", everyName},
	}
}

// dataDirectory runs geth's own package node on a data directory, by the name that geth has there: lock, key and
// paths are its doing.
func dataDirectory(arguments []string) {
	var o options
	flags := flag.NewFlagSet("datadir", flag.ExitOnError)
	o.register(flags)
	flags.Parse(arguments)
	if flags.NArg() != 1 {
		fail("usage: geth datadir [flags] DIR")
	}
	end := asked(o.byStdin)
	stack, err := gethnode.New(&gethnode.Config{
		Name:    "geth",
		Version: "1.17.6",
		DataDir: flags.Arg(0),
		P2P:     p2p.Config{MaxPeers: o.maxPeers, DiscoveryV4: true, ListenAddr: "127.0.0.1:0"},
		Logger:  log.NewLogger(&eventLog{sink: func(map[string]any) {}}),
	})
	if err != nil {
		fail("%v", err)
	}
	stack.RegisterProtocols(o.protocols(newEchoer()))
	if err := stack.Start(); err != nil {
		fail("start: %v", err)
	}
	self := stack.Server().Self()
	emit(map[string]any{"event": "listening", "enode": self.URLv4(), "record": self.String()})
	<-end
	if err := stack.Close(); err != nil {
		fail("close: %v", err)
	}
}

// nowhere makes nodes on loopback where nobody listens, for a database: whoever remembers them may ask them.
func nowhere(count int) []remembered {
	now := time.Now().Unix()
	nodes := make([]remembered, count)
	for i := range nodes {
		n := enode.NewV4(&(&options{}).key().PublicKey, net.IPv4(127, 0, byte(1+i), 1), 30303, 30303)
		record, err := rlp.EncodeToBytes(n.Record())
		if err != nil {
			fail("%v", err)
		}
		nodes[i] = remembered{Node: n.String(), Id: n.ID().String(), Ip: n.IPAddr().String(), Rlp: hex.EncodeToString(record),
			Ping: now - 3, Pong: now, n: n}
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

// ahead is a number that no clock gives a record: who goes on from it has read it.
const ahead uint64 = 1 << 60

// goesOnAhead checks that their records go on from the number that was stored, and one at a time.
func (t *test) goesOnAhead(sessions ...*enode.Node) {
	for _, next := range sessions {
		t.check(next.Seq() > ahead && next.Seq() < ahead+100, "record %d, stored was %d", next.Seq(), ahead)
	}
}

// storeSequence writes the number of a local record where geth's DB.storeLocalSeq has it, which is not exported.
func storeSequence(folder string, local enode.ID, sequence uint64) error {
	db, err := leveldb.OpenFile(folder, &opt.Options{ErrorIfMissing: true})
	if err != nil {
		return err
	}
	defer db.Close()
	key := append(append([]byte("local:"), local[:]...), ":seq"...)
	if has, err := db.Has(key, nil); err != nil || !has {
		return fmt.Errorf("there is no number at %q: %v", key, err)
	}
	return db.Put(key, binary.AppendUvarint(nil, sequence), nil)
}

func nodesOf(data string) string { return filepath.Join(data, "geth", "nodes") }

func weGoOnWithGeths(t *test) {
	data, nodes := filepath.Join(t.folder, "data"), nowhere(60)
	first := t.session(t.gethOn(data))
	t.good(writeDatabase(nodesOf(data), nodes))
	t.good(storeSequence(nodesOf(data), first.ID(), ahead))
	ours := t.session(t.oursOn(data))
	t.weRemember(data, nodes)
	last := t.session(t.gethOn(data))
	t.goesOn(first, ours, last)
	t.goesOnAhead(ours, last)
	t.weRemember(data, nodes)
	t.detail = fmt.Sprintf(" (%d nodes)", len(nodes))
}

func gethGoesOnWithOurs(t *test) {
	data, nodes := filepath.Join(t.folder, "data"), nowhere(60)
	first := t.session(t.oursOn(data))
	file := filepath.Join(data, "geth", "nodekey")
	before, err := os.ReadFile(file)
	t.good(err)
	t.ourWrite(nodesOf(data), nodes, first.ID(), ahead)
	geths := t.session(t.gethOn(data))
	t.weRemember(data, nodes)
	last := t.session(t.oursOn(data))
	t.goesOn(first, geths, last)
	t.goesOnAhead(geths, last)
	t.weRemember(data, nodes)
	after, err := os.ReadFile(file)
	t.check(err == nil && string(after) == string(before), "another key, or none: %v", err)
	info, err := os.Stat(file)
	t.check(err == nil && info.Mode() == 0600, "mode %v %v", info.Mode(), err)
}

// acquaintance is a discovery node of geth's on loopback, whom nobody has been told of.
type acquaintance struct {
	remembered
	local *enode.LocalNode
}

func (t *test) acquaintances(count int) (all []acquaintance, nodes []remembered) {
	now := time.Now().Unix()
	for range count {
		socket, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		t.good(err)
		memory, err := enode.OpenDB("")
		t.good(err)
		key := (&options{}).key()
		local := enode.NewLocalNode(memory, key)
		local.SetStaticIP(net.IPv4(127, 0, 0, 1))
		local.SetFallbackUDP(socket.LocalAddr().(*net.UDPAddr).Port)
		udp, err := discover.ListenV4(socket, local, discover.Config{PrivateKey: key, Log: log.NewLogger(log.DiscardHandler())})
		t.good(err)
		t.sockets = append(t.sockets, closing(func() { udp.Close(); memory.Close() }))
		record, err := rlp.EncodeToBytes(local.Node().Record())
		t.good(err)
		at := remembered{Node: local.Node().String(), Id: local.ID().String(), Ip: "127.0.0.1", Rlp: hex.EncodeToString(record),
			Ping: now - 3, Pong: now, n: local.Node()}
		all, nodes = append(all, acquaintance{at, local}), append(nodes, at)
	}
	return all, nodes
}

// askedBy is how many of them the node with that id has sent a ping, by their own databases.
func askedBy(all []acquaintance, id enode.ID) (count int) {
	for _, one := range all {
		if one.local.Database().LastPingReceived(id, netip.MustParseAddr("127.0.0.1")).Unix() > 0 {
			count++
		}
	}
	return count
}

// asks has a program, which nobody tells of anybody, go on with a database that was written meanwhile. Which of those
// in it geth begins with is its luck.
func (t *test) asks(first, then func(data string) *program, write func(folder string, nodes []remembered, local enode.ID)) {
	data := filepath.Join(t.folder, "data")
	all, nodes := t.acquaintances(5)
	local := t.session(first(data)).ID()
	t.check(askedBy(all, local) == 0, "it knows whom it cannot know")
	write(nodesOf(data), nodes, local)
	next := then(data)
	t.check(t.self(next).ID() == local, "another node")
	t.check(t.eventually(time.Minute, func() bool { return askedBy(all, local) > 0 }), "nobody in the database is asked")
	next.command.Process.Signal(syscall.SIGTERM)
	t.check(next.wait(prompt) == 0, "%s: exit status %d, want 0", next.title, next.wait(0))
	t.detail = fmt.Sprintf(" (%d of %d)", askedBy(all, local), len(all))
}

func weAskGeths(t *test) {
	t.asks(t.gethOn, t.oursOn, func(folder string, nodes []remembered, _ enode.ID) { t.good(writeDatabase(folder, nodes)) })
}

func gethAsksOurs(t *test) {
	t.asks(t.oursOn, t.gethOn, func(folder string, nodes []remembered, local enode.ID) { t.ourWrite(folder, nodes, local, ahead) })
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
