package main

import (
	"crypto/ecdsa"
	"crypto/rand"
	"encoding/hex"
	"math/big"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/log"
	"github.com/ethereum/go-ethereum/p2p/discover"
	"github.com/ethereum/go-ethereum/p2p/discover/v4wire"
	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/ethereum/go-ethereum/rlp"
)

// discovery is a node without connections, started as p2p.Server starts its own.
type discovery struct {
	*discover.UDPv4
	counts
	socket *socket
}

func startDiscovery(key *ecdsa.PrivateKey, ip string, bootnodes []*enode.Node) *discovery {
	address := net.ParseIP(ip)
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: address, Port: port})
	check(err)
	db, err := enode.OpenDB("")
	check(err)
	local := enode.NewLocalNode(db, key)
	local.SetFallbackIP(address)
	local.SetFallbackUDP(port)
	d := &discovery{socket: &socket{UDPConn: conn}}
	d.UDPv4, err = discover.ListenV4(d.socket, local, discover.Config{
		PrivateKey: key, Bootnodes: bootnodes, Log: log.NewLogger(&d.counts),
	})
	check(err)
	return d
}

func (d *discovery) look() sample {
	return sample{Table: entries(d.UDPv4), Sent: d.sent()}
}

func entries(d *discover.UDPv4) (count int) {
	for _, bucket := range d.TableBuckets() {
		count += len(bucket)
	}
	return count
}

func (d *discovery) lookUp() (map[string]any, bool) {
	var target v4wire.Pubkey
	rand.Read(target[:])
	// Any 64 bytes do as a target: they are hashed, and never used as a key.
	x, y := new(big.Int).SetBytes(target[:32]), new(big.Int).SetBytes(target[32:])
	id := enode.ID(crypto.Keccak256Hash(target[:]))
	d.socket.follow(target, d.closest(id))
	began := time.Now()
	nodes := d.LookupPubkey(&ecdsa.PublicKey{Curve: crypto.S256(), X: x, Y: y})
	took := time.Since(began)
	if len(nodes) == 0 {
		return nil, false
	}
	found := make([]string, len(nodes))
	for i, n := range nodes {
		found[i] = hex.EncodeToString(n.ID().Bytes())
	}
	queries, hops := d.socket.followed(nodes[0])
	return map[string]any{
		"target": hex.EncodeToString(id.Bytes()), "found": found,
		"queries": queries, "hops": hops, "micros": took.Microseconds(),
	}, true
}

// closest is where a look-up begins: those of the table, at most 16.
func (d *discovery) closest(target enode.ID) (nodes []*enode.Node) {
	for _, bucket := range d.TableBuckets() {
		for _, n := range bucket {
			nodes = append(nodes, n.Node)
		}
	}
	slices.SortFunc(nodes, func(a, b *enode.Node) int { return enode.DistCmp(target, a.ID(), b.ID()) })
	return nodes[:min(16, len(nodes))]
}

// socket follows a look-up: through how many answers, one after the other, each node was met. geth does not say.
type socket struct {
	*net.UDPConn
	lock    sync.Mutex
	target  v4wire.Pubkey
	queries int
	// By address, of which every node has one for itself: whom it asked, and how far everybody is whom it has met.
	asked map[netip.Addr]bool
	hops  map[netip.Addr]int
}

func (s *socket) follow(target v4wire.Pubkey, start []*enode.Node) {
	s.lock.Lock()
	defer s.lock.Unlock()
	s.target, s.queries = target, 0
	s.asked, s.hops = make(map[netip.Addr]bool), make(map[netip.Addr]int)
	for _, n := range start {
		s.hops[n.IPAddr()] = 0
	}
}

func (s *socket) followed(closest *enode.Node) (queries, hops int) {
	s.lock.Lock()
	defer s.lock.Unlock()
	return s.queries, s.hops[closest.IPAddr()]
}

// Before the fields of a packet are its hash, its signature and its kind.
const head = 32 + 65 + 1

func (s *socket) WriteToUDPAddrPort(packet []byte, to netip.AddrPort) (int, error) {
	if len(packet) > head && packet[head-1] == v4wire.FindnodePacket {
		var find v4wire.Findnode
		if rlp.DecodeBytes(packet[head:], &find) == nil {
			s.lock.Lock()
			if find.Target == s.target && s.asked != nil {
				s.queries++
				s.asked[to.Addr()] = true
			}
			s.lock.Unlock()
		}
	}
	return s.UDPConn.WriteToUDPAddrPort(packet, to)
}

func (s *socket) ReadFromUDPAddrPort(buffer []byte) (int, netip.AddrPort, error) {
	n, from, err := s.UDPConn.ReadFromUDPAddrPort(buffer)
	if err == nil && n > head && buffer[head-1] == v4wire.NeighborsPacket {
		var neighbors v4wire.Neighbors
		if rlp.DecodeBytes(buffer[head:n], &neighbors) == nil {
			s.met(from.Addr().Unmap(), neighbors)
		}
	}
	return n, from, err
}

func (s *socket) met(teller netip.Addr, neighbors v4wire.Neighbors) {
	s.lock.Lock()
	defer s.lock.Unlock()
	if !s.asked[teller] {
		return
	}
	for _, one := range neighbors.Nodes {
		ip, _ := netip.AddrFromSlice(one.IP)
		if _, known := s.hops[ip.Unmap()]; !known {
			s.hops[ip.Unmap()] = s.hops[teller] + 1
		}
	}
}
