package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/p2p"
	"github.com/ethereum/go-ethereum/rpc"
)

func adminTrials() []trial {
	return []trial{
		{"geth's RPC client asks our admin socket, and what it gets is what geth's server says of the same connection",
			adminShapes},
		{"geth's RPC client adds, trusts and removes a geth server at our admin socket", adminOrders},
	}
}

// console is geth's own client at our socket, as `geth attach` has it.
func (t *test) console(arguments ...string) (*node, *rpc.Client) {
	socket := filepath.Join(t.folder, "devp2p.ipc")
	ours := t.ourRun(append([]string{"--ipcpath", socket}, arguments...)...)
	client, err := rpc.DialIPC(context.Background(), socket)
	t.check(err == nil, "geth's client cannot connect: %v", err)
	t.sockets = append(t.sockets, closing(client.Close))
	return ours, client
}

type closing func()

func (c closing) Close() error { c(); return nil }

func (t *test) call(client *rpc.Client, method string, arguments ...any) (answer json.RawMessage) {
	within, cancel := context.WithTimeout(context.Background(), prompt)
	defer cancel()
	err := client.CallContext(within, &answer, method, arguments...)
	t.check(err == nil, "%s: %v", method, err)
	return answer
}

// server is a geth server in this very process, which is asked for what its own API would say.
func (t *test) server() *p2p.Server {
	key, err := crypto.GenerateKey()
	t.check(err == nil, "no key: %v", err)
	options := &options{caps: "echo/1"}
	server := &p2p.Server{Config: p2p.Config{
		PrivateKey: key, MaxPeers: 10, NoDiscovery: true, NoDial: true, Name: "Geth/test", ListenAddr: "127.0.0.1:0",
		Protocols: options.protocols(&echoer{}),
	}}
	t.check(server.Start() == nil, "geth's server does not start")
	t.sockets = append(t.sockets, closing(server.Stop))
	return server
}

// strictly reads JSON that may say nothing which geth does not.
func strictly[T any](t *test, text []byte) (value T) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(&value)
	t.check(err == nil, "%s: %v", text, err)
	return value
}

// keys are the paths of all values, whatever they are.
func keys(value any, path string) (all []string) {
	fields, isObject := value.(map[string]any)
	if !isObject {
		return []string{fmt.Sprintf("%s %T", path, value)}
	}
	for name, field := range fields {
		all = append(all, keys(field, path+"."+name)...)
	}
	slices.Sort(all)
	return all
}

func (t *test) sameKeys(what string, ours json.RawMessage, geths any) {
	our, their := keys(as[any](ours), ""), keys(as[any](geths), "")
	t.check(slices.Equal(our, their), "%s: ours says %v, geth's %v", what, our, their)
}

func adminShapes(t *test) {
	geth := t.server()
	ours, client := t.console("--staticnodes", geth.Self().URLv4())
	t.event(ours.program, "connected", map[string]any{"id": geth.Self().ID()})
	t.check(t.eventually(prompt, func() bool { return geth.PeerCount() == 1 }), "geth has no peer")

	text := t.call(client, "admin_peers")
	one := as[[]json.RawMessage](text)
	t.check(len(one) == 1, "we have the peers %s", text)
	seen, said := strictly[[]p2p.PeerInfo](t, text)[0], *geth.PeersInfo()[0]
	// geth knows us by our socket and so without a record; we know it by its URL.
	t.sameKeys("peer", one[0], said)
	t.check(seen.ID == geth.Self().ID().String() && seen.Enode == geth.Self().URLv4(), "we say %s", one[0])
	t.check(seen.Name == geth.Name && slices.Equal(seen.Caps, said.Caps), "we say %s", one[0])
	t.check(seen.Network.LocalAddress == said.Network.RemoteAddress &&
		seen.Network.RemoteAddress == said.Network.LocalAddress, "we say %s, geth %v", one[0], said)
	t.check(!seen.Network.Inbound && seen.Network.Static && !seen.Network.Trusted, "we say %s", one[0])

	text = t.call(client, "admin_nodeInfo")
	t.sameKeys("node", text, geth.NodeInfo())
	info := strictly[p2p.NodeInfo](t, text)
	t.check(info.ID == ours.at.ID().String() && info.ID == said.ID, "we say %s", text)
	t.check(info.Enode == ours.url && info.Name == said.Name, "we say %s", text)
	t.check(info.Ports.Listener == ours.at.TCP() && strings.HasPrefix(info.ENR, "enr:"), "we say %s", text)
	t.check(strings.HasPrefix(info.ListenAddr, "127.0.0.1:") && info.IP == "127.0.0.1", "we say %s", text)

	modules, err := client.SupportedModules()
	t.check(err == nil && modules["admin"] == "1.0", "modules %v, %v", modules, err)
	err = client.Call(nil, "admin_addPeer", "enode://12")
	t.check(err != nil && strings.HasPrefix(err.Error(), "invalid enode: "), "%v", err)
	err = client.Call(nil, "eth_blockNumber")
	var coded rpc.Error
	coded, _ = err.(rpc.Error)
	t.check(coded != nil && coded.ErrorCode() == -32601, "%v", err)

	batch := []rpc.BatchElem{
		{Method: "admin_nodeInfo", Result: new(p2p.NodeInfo)}, {Method: "admin_peers", Result: new([]*p2p.PeerInfo)},
	}
	t.check(client.BatchCall(batch) == nil, "no batch")
	t.check(batch[0].Error == nil && batch[1].Error == nil && len(*batch[1].Result.(*[]*p2p.PeerInfo)) == 1, "%v", batch)
}

func adminOrders(t *test) {
	geth := t.server()
	ours, client := t.console()
	url := geth.Self().URLv4()
	t.check(string(t.call(client, "admin_addPeer", url)) == "true", "not added")
	t.event(ours.program, "connected", map[string]any{"id": geth.Self().ID(), "direction": "outbound"})
	t.check(string(t.call(client, "admin_addTrustedPeer", url)) == "true", "not trusted")
	peers := as[[]p2p.PeerInfo](t.call(client, "admin_peers"))
	t.check(len(peers) == 1 && peers[0].Network.Trusted && peers[0].Network.Static, "we say %v", peers)
	t.check(string(t.call(client, "admin_removeTrustedPeer", url)) == "true", "still trusted")
	t.check(string(t.call(client, "admin_removePeer", url)) == "true", "not removed")
	t.check(string(t.call(client, "admin_peers")) == "[]", "still a peer")
	t.event(ours.program, "disconnected", map[string]any{"id": geth.Self().ID(), "by": "local"})
	t.check(t.eventually(prompt, func() bool { return geth.PeerCount() == 0 }), "geth still has us")
}
