package main

import (
	"crypto/ecdsa"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/ethereum/go-ethereum/log"
	"github.com/ethereum/go-ethereum/p2p/discover"
	"github.com/ethereum/go-ethereum/p2p/discover/v4wire"
	"github.com/ethereum/go-ethereum/p2p/enode"
)

// discoverNode does what ours does with `discv4 listen` and no bootnodes, and logs nothing.
func discoverNode(arguments []string) {
	flags := flag.NewFlagSet("discover", flag.ExitOnError)
	flags.Parse(arguments)

	socket, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		fail("%v", err)
	}
	db, err := enode.OpenDB("")
	if err != nil {
		fail("%v", err)
	}
	key := newKey()
	local := enode.NewLocalNode(db, key)
	local.SetFallbackIP(net.IPv4(127, 0, 0, 1))
	local.SetFallbackUDP(socket.LocalAddr().(*net.UDPAddr).Port)
	config := discover.Config{PrivateKey: key, Log: log.NewLogger(slog.DiscardHandler)}
	discovery, err := discover.ListenV4(socket, local, config)
	if err != nil {
		fail("%v", err)
	}
	fmt.Println(discovery.Self().URLv4())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	<-signals
	discovery.Close()
}

// pings keeps a number of pings under way from each of some sockets, every one of a node that has proved its endpoint,
// and counts the pongs. The pings are signed beforehand, so that the node has the machine to itself.
func pings(arguments []string) {
	flags := flag.NewFlagSet("pings", flag.ExitOnError)
	sockets := flags.Int("sockets", 8, "sockets, each a node")
	window := flags.Int("window", 16, "pings of each that are under way")
	packets := flags.Int("packets", 4000, "different pings of each; then they begin anew")
	length := flags.Duration("time", 2*time.Second, "how long")
	flags.Parse(arguments)
	if flags.NArg() != 1 {
		fail("pings: want one ENODE")
	}
	node, err := enode.ParseV4(flags.Arg(0))
	if err != nil {
		fail("pings: %v", err)
	}
	to, ok := node.UDPEndpoint()
	if !ok {
		fail("pings: no UDP endpoint in %s", flags.Arg(0))
	}
	all := make([]*pinger, *sockets)
	var ready sync.WaitGroup
	for i := range all {
		ready.Add(1)
		go func() {
			defer ready.Done()
			all[i] = newPinger(to, *packets)
		}()
	}
	ready.Wait()
	for _, p := range all {
		p.bond()
	}

	// What the node spent until now was for strangers.
	emit(map[string]any{"event": "bonded", "ready": true})
	var answered, lost atomic.Int64
	begin := time.Now()
	for _, p := range all {
		ready.Add(1)
		go func() {
			defer ready.Done()
			p.run(begin.Add(*length), *window, &answered, &lost)
		}()
	}
	ready.Wait()
	spent := time.Since(begin).Seconds()
	emit(map[string]any{"event": "pinged", "answered": answered.Load(), "lost": lost.Load(), "seconds": spent,
		"per_second": float64(answered.Load()) / spent})
}

// pinger is one node of the load.
type pinger struct {
	key     *ecdsa.PrivateKey
	socket  *net.UDPConn
	to      netip.AddrPort
	packets [][]byte
	next    int
	buffer  [1280]byte
}

func newPinger(to netip.AddrPort, packets int) *pinger {
	socket, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(to))
	if err != nil {
		fail("pings: %v", err)
	}
	p := &pinger{key: newKey(), socket: socket, to: to, packets: make([][]byte, packets)}
	for i := range p.packets {
		packet, _, err := v4wire.Encode(p.key, pingOf(to, uint16(i)))
		if err != nil {
			fail("pings: %v", err)
		}
		p.packets[i] = packet
	}
	return p
}

func (p *pinger) send() {
	if _, err := p.socket.Write(p.packets[p.next]); err != nil {
		fail("pings: %v", err)
	}
	p.next = (p.next + 1) % len(p.packets)
}

// receive gives the kind of the next packet, 0 if none comes. Pings are answered, other requests are not.
func (p *pinger) receive(until time.Time) byte {
	p.socket.SetReadDeadline(until)
	length, err := p.socket.Read(p.buffer[:])
	if err != nil || length < 98 {
		return 0
	}
	kind := p.buffer[97]
	if kind == v4wire.PingPacket {
		pong := &v4wire.Pong{To: v4wire.NewEndpoint(p.to, 0), ReplyTok: append([]byte{}, p.buffer[:32]...),
			Expiration: uint64(time.Now().Add(time.Minute).Unix()), ENRSeq: 1}
		packet, _, err := v4wire.Encode(p.key, pong)
		if err != nil {
			fail("pings: %v", err)
		}
		p.socket.Write(packet)
	}
	return kind
}

// bond lets both sides prove their endpoints.
func (p *pinger) bond() {
	p.send()
	var pong, ping bool
	for end := time.Now().Add(5 * time.Second); !pong || !ping; {
		switch p.receive(end) {
		case v4wire.PongPacket:
			pong = true
		case v4wire.PingPacket:
			ping = true
		case 0:
			fail("pings: the node does not bond (pong %v, ping %v)", pong, ping)
		}
	}
}

func (p *pinger) run(end time.Time, window int, answered, lost *atomic.Int64) {
	const patience = 250 * time.Millisecond
	pending := 0
	for time.Now().Before(end) {
		for ; pending < window; pending++ {
			p.send()
		}
		switch p.receive(time.Now().Add(patience)) {
		case v4wire.PongPacket:
			answered.Add(1)
			pending--
		case 0:
			lost.Add(int64(pending))
			pending = 0
		}
	}
}
