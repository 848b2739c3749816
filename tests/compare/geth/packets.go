package main

import (
	"crypto/rand"
	"flag"
	"net"
	"net/netip"
	"reflect"
	"runtime"
	"time"
	"unsafe"

	"github.com/ethereum/go-ethereum/p2p/discover"
	"github.com/ethereum/go-ethereum/p2p/discover/v4wire"
	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/ethereum/go-ethereum/p2p/enr"
)

// single has one thread do what is measured, and says how long.
func single(command string, arguments []string) func(name string, operation func()) {
	flags := flag.NewFlagSet(command, flag.ExitOnError)
	samples := flags.Int("samples", 5, "samples, of which the median counts")
	length := flags.Duration("time", 150*time.Millisecond, "least duration of a sample")
	flags.Parse(arguments)
	runtime.GOMAXPROCS(1)
	return func(name string, operation func()) {
		cpu, wall, count := measure(*samples, *length, operation)
		emit(map[string]any{"name": name, "ns": min(cpu, wall), "cpu_ns": cpu, "wall_ns": wall, "samples": *samples, "operations": count})
	}
}

// packetsBenchmark times a ping of discovery v4: made and signed, and its hash checked, its signer recovered, read.
func packetsBenchmark(arguments []string) {
	report := single("packets", arguments)
	key := newKey()
	number := uint16(0)
	ping := func() []byte {
		number++
		packet, _, err := v4wire.Encode(key, pingOf(netip.MustParseAddrPort("10.0.0.1:30303"), number))
		if err != nil {
			fail("ping: %v", err)
		}
		return packet
	}
	report("ping/sign", func() { ping() })
	packet := ping()
	report("ping/recover", func() {
		if read, _, _, err := v4wire.Decode(packet); err != nil || read.Kind() != v4wire.PingPacket {
			fail("ping: %v", err)
		}
	})
}

// pingOf is a ping with all that nodes say nowadays. The number makes each another packet: it stands where nobody
// looks, in the TCP port of the recipient.
func pingOf(to netip.AddrPort, number uint16) *v4wire.Ping {
	return &v4wire.Ping{
		Version:    4,
		From:       v4wire.NewEndpoint(netip.MustParseAddrPort("10.0.0.2:30303"), 30303),
		To:         v4wire.NewEndpoint(to, number),
		Expiration: uint64(time.Now().Add(time.Minute).Unix()),
		ENRSeq:     1,
	}
}

// tableBenchmark times what a full table answers a find-node request with. geth has no door to it from outside, so
// its own methods are called by their linker names; they are the ones that its handler calls.
func tableBenchmark(arguments []string) {
	report := single("table", arguments)
	db, err := enode.OpenDB("")
	if err != nil {
		fail("%v", err)
	}
	key := newKey()
	local := enode.NewLocalNode(db, key)
	// Nothing is sent, and nobody is asked whether he lives while the clock runs.
	config := discover.Config{PrivateKey: key, PingInterval: time.Hour}
	discovery, err := discover.ListenV4(nowhere{closed: make(chan struct{})}, local, config)
	if err != nil {
		fail("%v", err)
	}
	table := tableOf(discovery)
	added := 0
	for distance := 256; distance > 256-17; distance-- {
		for i := range 16 {
			var record enr.Record
			record.Set(enr.IP{10, byte(distance), byte(i), 1})
			record.Set(enr.UDP(30303))
			if addFoundNode(table, enode.SignNull(&record, atDistance(local.ID(), distance)), true) {
				added++
			}
		}
	}
	held := 0
	for _, bucket := range discovery.TableBuckets() {
		held += len(bucket)
	}
	if added != 17*16 || held != added {
		fail("the table took %d nodes and holds %d", added, held)
	}
	targets := make([]enode.ID, 4096)
	for i := range targets {
		rand.Read(targets[i][:])
	}
	next := 0
	report("closest", func() {
		next++
		if found := findnodeByID(table, targets[next%len(targets)], 16, true); len(found.entries) != 16 {
			fail("%d closest nodes", len(found.entries))
		}
	})
}

// atDistance is a random id at that log-distance.
func atDistance(from enode.ID, distance int) enode.ID {
	id := from
	var noise enode.ID
	rand.Read(noise[:])
	for bit := range 256 {
		place, mask := 31-bit/8, byte(1)<<(bit%8)
		switch {
		case bit == distance-1:
			id[place] ^= mask
		case bit < distance-1:
			id[place] = id[place]&^mask | noise[place]&mask
		}
	}
	return id
}

// nodesByDistance is laid out as geth's type of that name.
type nodesByDistance struct {
	entries []*enode.Node
	target  enode.ID
}

// tableOf takes the table out of geth's hands.
func tableOf(discovery *discover.UDPv4) unsafe.Pointer {
	return reflect.ValueOf(discovery).Elem().FieldByName("tab").UnsafePointer()
}

//go:linkname addFoundNode github.com/ethereum/go-ethereum/p2p/discover.(*Table).addFoundNode
func addFoundNode(table unsafe.Pointer, node *enode.Node, forceSetLive bool) bool

//go:linkname findnodeByID github.com/ethereum/go-ethereum/p2p/discover.(*Table).findnodeByID
func findnodeByID(table unsafe.Pointer, target enode.ID, count int, preferLive bool) nodesByDistance

// nowhere is a socket where nothing comes from and nothing goes to.
type nowhere struct{ closed chan struct{} }

func (n nowhere) ReadFromUDPAddrPort([]byte) (int, netip.AddrPort, error) {
	<-n.closed
	return 0, netip.AddrPort{}, net.ErrClosed
}
func (n nowhere) WriteToUDPAddrPort(b []byte, _ netip.AddrPort) (int, error) { return len(b), nil }
func (n nowhere) Close() error                                               { close(n.closed); return nil }
func (n nowhere) LocalAddr() net.Addr                                        { return &net.UDPAddr{} }
