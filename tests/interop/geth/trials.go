package main

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

var either = []string{"remote", "local"}

// size makes a number of bytes readable.
func size(bytes int) string {
	switch {
	case bytes >= 1<<20 && bytes%(1<<20) == 0:
		return fmt.Sprintf("%d MiB", bytes>>20)
	case bytes >= 1<<10 && bytes%(1<<10) == 0:
		return fmt.Sprintf("%d KiB", bytes>>10)
	default:
		return fmt.Sprintf("%d B", bytes)
	}
}

func trials() []trial {
	all := []trial{
		{"a node key file and its URL are the same to geth's tool and to ours", sameKey},
		{"geth dials us: each sees the other's hello", gethDials},
		{"we dial geth: each sees the other's hello", weDial},
		{"geth's devp2p rlpx ping prints our hello", gethPings},
		{"our devp2p rlpx ping prints geth's hello and times", wePing("echo/1", "echo/1")},
		{"our devp2p rlpx ping prints the hello of a geth that speaks only eth", wePing("eth/69,eth/70", "eth/69,eth/70")},
		{"our devp2p rlpx ping prints the hello of a geth without capabilities", wePing("none", "")},
		{"our devp2p rlpx ping for people: one line or more, exit status 0", wePingInWords},
		{"nobody listens: exit status 1 and one line", nobodyListens},
	}
	for _, bytes := range []int{0, 1, 1 << 10, 1 << 20, largestRandom} {
		all = append(all, trial{fmt.Sprintf("echo, geth dials and asks: %s of random bytes", size(bytes)), gethAsks(bytes, "random")})
	}
	for _, bytes := range []int{1 << 10, 1 << 20, maxFrame} {
		all = append(all, trial{fmt.Sprintf("echo, geth dials and asks: %s of text", size(bytes)), gethAsks(bytes, "text")})
	}
	for _, bytes := range []int{0, 1, 1 << 10, 1 << 20, largestRandom} {
		all = append(all, trial{fmt.Sprintf("echo, we dial and ask: %s", size(bytes)), weAsk(bytes)})
	}
	return append(all,
		trial{"echo, geth dials and asks: 1000 times 1 KiB", func(t *test) { t.gethAsksFor(1000, 1<<10, "random") }},
		trial{"echo, we dial and ask: 1000 times 1 KiB", func(t *test) { t.weAskFor(1000, 1<<10) }},
		trial{"echo, we dial and ask: 16 MiB do not fit and are refused on our side", tooLarge},
		trial{"useless peer: geth dials us without a shared capability", uselessToUs},
		trial{"useless peer: we dial geth without a shared capability", uselessToGeth},
		trial{"wrong identity: we dial geth's address with another id", wrongGeth},
		trial{"wrong identity: geth dials our address with another id", wrongUs},
		trial{"geth quits: our listening node names the reason", gethQuits},
		trial{"geth quits: our dialing side names the reason", gethQuitsOnDialer},
		trial{"we quit by SIGTERM: geth, having dialed, names the reason", weQuit(syscall.SIGTERM)},
		trial{"we quit by SIGINT: geth, having dialed, names the reason", weQuit(syscall.SIGINT)},
		trial{"we quit by SIGTERM: geth, having been dialed, names the reason", dialerQuits},
		trial{"we are done with our echoes: geth, having been dialed, names the reason", dialerDone},
		trial{"too many peers: geth is full", gethFull},
		trial{"too many peers: we are full", weFull},
		trial{"too many peers: room again once a peer has gone", roomAgain},
		trial{"already connected: we dial geth twice with one key", alreadyToGeth},
		trial{"already connected: geth dials us twice with one key", alreadyToUs},
		trial{"connected to self: a client with our node's own key", selfToUs},
		trial{"connected to self: a client with geth's own key", selfToGeth},
		trial{"connected to self: our ping of our own node", selfByPing},
	)
}

func sameKey(t *test) {
	file := t.key("nodekey")
	info, err := os.Stat(file)
	t.check(err == nil && info.Mode().Perm() == 0o600, "mode of the key file: %v, %v", info.Mode(), err)
	for _, words := range [][]string{
		{"to-id"},
		{"to-enode", "--ip", "127.0.0.1", "--tcp", "30303", "--udp", "30303"},
		{"to-enode", "--ip", "192.0.2.7", "--tcp", "30303", "--udp", "30304"},
		{"to-enode", "--ip", "2001:db8::1", "--tcp", "1", "--udp", "0"},
	} {
		theirs := t.spawn("geth's key", t.bench.tool, append(append([]string{"key"}, words...), file)...)
		t.check(theirs.wait(prompt) == 0, "geth's tool refuses our key file")
		ours := t.spawn("our key", t.bench.ours, append([]string{"key", words[0], file}, words[1:]...)...)
		t.check(ours.wait(prompt) == 0, "exit status %d", ours.wait(0))
		t.check(ours.stdout() == theirs.stdout(), "%v: ours %q, geth's %q", words, ours.stdout(), theirs.stdout())
	}
}

// met checks our node's line about a peer.
func (t *test) met(ours *node, id, name, caps string) map[string]any {
	line := t.event(ours.program, "connected", map[string]any{"id": id})
	t.check(line["name"] == name, "client name %v, want %s", line["name"], name)
	t.check(fmt.Sprint(line["caps"]) == caps, "capabilities %v, want %s", line["caps"], caps)
	t.check(line["direction"] == "inbound", "direction %v", line["direction"])
	return line
}

func gethDials(t *test) {
	ours := t.ourNode()
	geth := t.holding(ours.url, "--name", "somebody/v1.2.3-ütf8", "--caps", "echo/1,other/7")
	id := fmt.Sprint(t.event(geth, "dialing", nil)["id"])
	t.met(ours, id, "somebody/v1.2.3-ütf8", "[echo/1 other/7]")
	seen := t.event(geth, "connected", map[string]any{"id": ours.at.ID()})
	t.check(fmt.Sprint(seen["caps"]) == "[echo/1]", "geth saw our capabilities as %v", seen["caps"])
	name, _ := seen["name"].(string)
	t.check(name != "", "geth saw no name of ours")
	t.detail = fmt.Sprintf(" (we call ourselves %s)", name)
}

func weDial(t *test) {
	geth := t.gethNode()
	file := t.key("nodekey")
	id := t.idOf(file)
	echo := t.ours("rlpx", "echo", geth.url, "--count", "1", "--size", "1", "--nodekey", file)
	seen := t.event(geth.program, "connected", map[string]any{"id": id})
	t.check(seen["direction"] == "inbound", "direction %v", seen["direction"])
	t.check(strings.Contains(fmt.Sprint(seen["caps"]), "echo/1"), "geth saw our capabilities as %v", seen["caps"])
	t.check(seen["name"] != "", "geth saw no name of ours")
	t.succeeds(echo, prompt)
}

var gethHello = regexp.MustCompile(`^\{Version:(\d+) Name:(.*) Caps:\[(.*)\] ListenPort:(\d+) ID:\[([\d ]+)\] Rest:\[\]\}$`)

func gethPings(t *test) {
	ours := t.ourNode()
	ping := t.spawn("geth's ping", t.bench.tool, "rlpx", "ping", ours.url)
	t.check(ping.wait(prompt) == 0, "exit status %d", ping.wait(0))
	parts := gethHello.FindStringSubmatch(ping.stdout())
	t.check(parts != nil, "unexpected output")
	t.check(parts[1] == "5", "version %s", parts[1])
	t.check(parts[2] != "", "no name")
	t.check(parts[3] == "echo/1", "capabilities %s", parts[3])
	id := ""
	for _, digits := range strings.Fields(parts[5]) {
		number, _ := strconv.Atoi(digits)
		id += fmt.Sprintf("%02x", number)
	}
	t.check(id == t.publicKey(ours.at), "id %s, want %s", id, t.publicKey(ours.at))
	t.detail = fmt.Sprintf(" (%s)", parts[2])
	// It leaves without a hello: nobody was admitted, and who it was is known.
	line := t.event(ours.program, "refused", nil)
	t.check(line["id"] != nil, "the refused event does not say who")
}

func wePing(caps, seen string) func(t *test) {
	return func(t *test) {
		geth := t.gethNode("--name", "Geth/v1.17.6-stable/linux-amd64/go1.26", "--caps", caps)
		line := t.succeeds(t.ours("rlpx", "ping", geth.url), prompt)
		hello, ok := line["hello"].(map[string]any)
		t.check(ok, "no hello")
		t.check(fmt.Sprint(hello["version"]) == "5", "version %v", hello["version"])
		t.check(hello["name"] == "Geth/v1.17.6-stable/linux-amd64/go1.26", "name %v", hello["name"])
		want := strings.Fields(strings.ReplaceAll(seen, ",", " "))
		t.check(fmt.Sprint(hello["caps"]) == fmt.Sprint(want), "capabilities %v, want %v", hello["caps"], want)
		t.check(hello["id"] == t.publicKey(geth.at), "id %v", hello["id"])
		t.check(fmt.Sprint(hello["listen_port"]) == "0", "listening port %v", hello["listen_port"])
		handshake, _ := line["handshake_ms"].(float64)
		ping, _ := line["ping_ms"].(float64)
		t.check(handshake > 0, "handshake_ms %v", line["handshake_ms"])
		t.check(ping > 0, "ping_ms %v", line["ping_ms"])
		t.detail = fmt.Sprintf(" (handshake %.2f ms, ping %.2f ms)", handshake, ping)
	}
}

func wePingInWords(t *test) {
	geth := t.gethNode("--name", "Geth/v1.17.6-stable/linux-amd64/go1.26")
	ping := t.spawn("our ping", t.bench.ours, "rlpx", "ping", geth.url)
	t.check(ping.wait(prompt) == 0, "exit status %d", ping.wait(0))
	for _, want := range []string{"Geth/v1.17.6-stable/linux-amd64/go1.26", "echo/1", t.publicKey(geth.at)} {
		t.check(strings.Contains(ping.stdout(), want), "it does not say %s", want)
	}
}

func nobodyListens(t *test) {
	geth := t.gethNode()
	geth.stop()
	ping := t.spawn("our ping", t.bench.ours, "rlpx", "ping", geth.url)
	t.check(ping.wait(prompt) == 1, "exit status %d, want 1", ping.wait(0))
	said := len(ping.log) - 2 // the command and the exit status are noted there too
	t.check(said == 1 && ping.stdout() == "", "%d lines in all, want 1 on standard error", said)
}

func (t *test) gethAsksFor(count, bytes int, kind string) {
	ours := t.ourNode()
	geth := t.dialing(ours.url, "--count", fmt.Sprint(count), "--size", fmt.Sprint(bytes), "--fill", kind)
	status := geth.wait(60 * time.Second)
	t.check(status == 0, "geth: exit status %d, want 0", status)
	line := t.event(geth, "echoed", map[string]any{"count": count, "size": float64(bytes)})
	t.detail = fmt.Sprintf(" (%.3f s)", line["seconds"])
}

func gethAsks(bytes int, kind string) func(t *test) {
	return func(t *test) { t.gethAsksFor(1, bytes, kind) }
}

func (t *test) weAskFor(count, bytes int) {
	geth := t.gethNode()
	line := t.succeeds(t.ours("rlpx", "echo", geth.url, "--count", fmt.Sprint(count), "--size", fmt.Sprint(bytes)), 60*time.Second)
	t.check(line["count"] == float64(count) && line["size"] == float64(bytes), "it says %v", line)
	rate, _ := line["messages_per_second"].(float64)
	t.check(rate > 0, "messages_per_second: %v", line["messages_per_second"])
	t.detail = fmt.Sprintf(" (%.3f s)", line["seconds"])
}

func weAsk(bytes int) func(t *test) {
	return func(t *test) { t.weAskFor(1, bytes) }
}

func tooLarge(t *test) {
	geth := t.gethNode()
	echo := t.ours("rlpx", "echo", geth.url, "--count", "1", "--size", fmt.Sprint(1<<24))
	t.detail = fmt.Sprintf(" (%s)", t.refused(echo, []string{"local", "error"}, ""))
}

func uselessToUs(t *test) {
	ours := t.ourNode()
	geth := t.dialing(ours.url, "--caps", "other/1,echo/2")
	t.event(geth, "refused", map[string]any{"error": "useless peer", "id": ours.at.ID()})
	id := t.event(geth, "dialing", nil)["id"]
	line := t.event(ours.program, "refused", map[string]any{"id": id, "reason": "useless peer"})
	t.check(line["by"] == "local" || line["by"] == "remote", "by %v", line["by"])
}

func uselessToGeth(t *test) {
	geth := t.gethNode("--caps", "other/1,echo/2")
	t.refused(t.ours("rlpx", "echo", geth.url, "--count", "1", "--size", "1"), either, "useless peer")
	t.event(geth.program, "refused", map[string]any{"error": "useless peer"})
}

func wrongGeth(t *test) {
	geth := t.gethNode()
	reason := t.refused(t.ours("rlpx", "ping", t.misnamed(geth.at)), []string{"error"}, "")
	t.event(geth.program, "refused", map[string]any{"stage": "Failed RLPx handshake"})
	t.detail = fmt.Sprintf(" (%s)", reason)
}

func wrongUs(t *test) {
	ours := t.ourNode()
	geth := t.dialing(t.misnamed(ours.at))
	theirs := t.event(geth, "refused", map[string]any{"stage": "Failed RLPx handshake"})
	line := t.event(ours.program, "refused", map[string]any{"id": nil, "by": "error"})
	t.detail = fmt.Sprintf(" (geth: %v; ours: %v)", theirs["error"], line["reason"])
}

var byRemote = map[string]any{"by": "remote", "reason": "client quitting"}

func gethQuits(t *test) {
	ours := t.ourNode()
	geth := t.holding(ours.url)
	fmt.Fprintln(geth.stdin, "quit")
	line := t.event(ours.program, "disconnected", byRemote)
	t.check(line["id"] == t.event(geth, "dialing", nil)["id"], "id %v", line["id"])
}

// endless is an echo that goes on until somebody quits.
func (t *test) endless(url string, arguments ...string) *program {
	return t.ours(append([]string{"rlpx", "echo", url, "--count", "1000000000", "--size", "32"}, arguments...)...)
}

func gethQuitsOnDialer(t *test) {
	geth := t.gethNode()
	// One request at a time. Geth closes with requests unread, which resets the connection: whatever its congestion
	// window has held back until then, the reason too, is never sent.
	echo := t.endless(geth.url, "--window", "1")
	t.event(geth.program, "connected", nil)
	fmt.Fprintln(geth.stdin, "quit")
	t.refused(echo, []string{"remote"}, "client quitting")
}

var requested = map[string]any{"requested": true, "error": "client quitting"}

func weQuit(by syscall.Signal) func(t *test) {
	return func(t *test) {
		ours := t.ourNode()
		geth := t.holding(ours.url)
		ours.command.Process.Signal(by)
		t.event(geth, "disconnected", requested)
		status := ours.wait(prompt)
		t.check(status == 0, "exit status %d, want 0", status)
	}
}

func dialerQuits(t *test) {
	geth := t.gethNode()
	echo := t.endless(geth.url)
	t.event(geth.program, "connected", nil)
	echo.command.Process.Signal(syscall.SIGTERM)
	t.event(geth.program, "disconnected", requested)
	t.check(echo.wait(prompt) != -1, "it does not end")
}

func dialerDone(t *test) {
	geth := t.gethNode()
	t.succeeds(t.ours("rlpx", "echo", geth.url, "--count", "3", "--size", "32"), prompt)
	t.event(geth.program, "disconnected", requested)
}

func gethFull(t *test) {
	geth := t.gethNode("--maxpeers", "1")
	t.holding(geth.url)
	t.refused(t.ours("rlpx", "ping", geth.url), []string{"remote"}, "too many peers")
}

func weFull(t *test) {
	ours := t.ourNode("--maxpeers", "1")
	t.holding(ours.url)
	geth := t.dialing(ours.url)
	t.event(geth, "refused", map[string]any{"error": "too many peers"})
	t.event(ours.program, "refused", map[string]any{"by": "local", "reason": "too many peers",
		"id": t.event(geth, "dialing", nil)["id"]})
}

func roomAgain(t *test) {
	ours := t.ourNode("--maxpeers", "1")
	first := t.holding(ours.url)
	fmt.Fprintln(first.stdin, "quit")
	t.event(ours.program, "disconnected", byRemote)
	t.holding(ours.url)
}

func alreadyToGeth(t *test) {
	geth := t.gethNode()
	file := t.key("nodekey")
	t.endless(geth.url, "--nodekey", file)
	t.event(geth.program, "connected", nil)
	t.refused(t.ours("rlpx", "ping", geth.url, "--nodekey", file), []string{"remote"}, "already connected")
}

func alreadyToUs(t *test) {
	ours := t.ourNode()
	file := t.key("nodekey")
	t.holding(ours.url, "--nodekey", file)
	geth := t.dialing(ours.url, "--nodekey", file)
	t.event(geth, "refused", map[string]any{"error": "already connected"})
	t.event(ours.program, "refused", map[string]any{"by": "local", "reason": "already connected", "id": t.idOf(file)})
}

// selfTo is what a client hears that has the node's own key.
func (t *test) selfTo(at *node, file string) {
	said := t.spawn("raw", t.bench.geth, "raw", "--nodekey", file, "nothing odd", at.url)
	t.check(said.wait(prompt) == 0 && len(said.lines) == 1, "the raw client failed")
	outcome := said.lines[0]["outcome"]
	t.check(outcome == "disconnect c10a (connected to self)", "outcome: %v", outcome)
}

func selfToUs(t *test) {
	file := t.key("nodekey")
	ours := t.ourNode("--nodekey", file)
	t.selfTo(ours, file)
	t.event(ours.program, "refused", map[string]any{"by": "local", "reason": "connected to self"})
}

func selfToGeth(t *test) {
	file := t.key("nodekey")
	geth := t.gethNode("--nodekey", file)
	t.selfTo(geth, file)
}

func selfByPing(t *test) {
	file := t.key("nodekey")
	ours := t.ourNode("--nodekey", file)
	t.refused(t.ours("rlpx", "ping", ours.url, "--nodekey", file), either, "connected to self")
}
