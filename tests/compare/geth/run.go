package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A goal is one line of the table. The ratio is always such that more is better for us.
type goal struct {
	name    string
	build   string // of ours: default or secp256k1
	measure string
	unit    string
	atLeast float64 // of the ratio
	atMost  float64 // of our own figure
	least   float64 // of our own figure, where more is better
	rate    bool    // more is better, also of the figure itself
}

var goals = []goal{
	{name: "handshake, both sides (k256)", build: "default", measure: "handshake", unit: "µs", atLeast: 1.0},
	{name: "handshake, both sides (libsecp256k1)", build: "secp256k1", measure: "handshake", unit: "µs", atLeast: 1.5},
	{name: "frame write+read, 32 B", build: "default", measure: "frame/32", unit: "µs", atLeast: 1.4},
	{name: "frame write+read, 1 KiB", build: "default", measure: "frame/1024", unit: "µs", atLeast: 1.25},
	{name: "frame write+read, 16 KiB", build: "default", measure: "frame/16384", unit: "µs", atLeast: 1.1},
	{name: "frame write+read, 1 MiB", build: "default", measure: "frame/1048576", unit: "µs", atLeast: 1.2},
	{name: "ping made and signed (k256)", build: "default", measure: "ping/sign", unit: "µs", atLeast: 0.7},
	{name: "ping made and signed (libsecp256k1)", build: "secp256k1", measure: "ping/sign", unit: "µs", atLeast: 1.05},
	{name: "ping checked, signer recovered, read (k256)", build: "default", measure: "ping/recover", unit: "µs", atLeast: 0.5},
	{name: "ping checked, signer recovered, read (libsecp)", build: "secp256k1", measure: "ping/recover", unit: "µs", atLeast: 1.0},
	{name: "closest 16 of a full table", build: "default", measure: "closest", unit: "µs", atMost: 0.7},
	{name: "dropped at the gate: noise", build: "default", measure: "gate/noise", unit: "M/s", least: 2, rate: true},
	{name: "dropped at the gate: one flooding source", build: "default", measure: "gate/over budget", unit: "M/s", least: 2, rate: true},
	{name: "dropped at the gate: floods of forged sources", build: "default", measure: "gate/overloaded", unit: "M/s", least: 2, rate: true},
	{name: "dropped at the gate: pings with wrong hashes", build: "default", measure: "gate/wrong hash", unit: "M/s", least: 2, rate: true},
	// Without a goal: the hash of 1280 bytes alone takes longer than the half of a microsecond that 2 M/s leave.
	{name: "dropped at the gate: 1280 B with wrong hashes", build: "default", measure: "gate/wrong hash, 1280 bytes", unit: "M/s", rate: true},
	{name: "pings answered (k256)", build: "default", measure: "pings/rate", unit: "/s", atLeast: 1.0, rate: true},
	{name: "pings answered (libsecp256k1)", build: "secp256k1", measure: "pings/rate", unit: "/s", atLeast: 1.0, rate: true},
	{name: "processor time of each ping (k256)", build: "default", measure: "pings/cpu", unit: "µs"},
	{name: "processor time of each ping (libsecp256k1)", build: "secp256k1", measure: "pings/cpu", unit: "µs"},
}

// sizes of the messages that are echoed.
var sizes = []struct {
	bytes int
	name  string
}{{32, "32 B"}, {1 << 10, "1 KiB"}, {16 << 10, "16 KiB"}}

// Goals of whole nodes, for each way of ours to run one.
func init() {
	for _, node := range nodes[1:] {
		add := func(name, measure, unit string, g goal) {
			g.name, g.build, g.measure, g.unit = name+" ("+node.label+")", node.side, measure, unit
			goals = append(goals, g)
		}
		least := 1.0
		if node.secp256k1 {
			least = 1.3
		}
		// How many a second is a matter of the other side too, which does as much for each; how many at the same
		// processor time is not.
		add("connections accepted on one core", "accept/rate", "/s", goal{rate: true})
		add("processor time of each", "accept/cpu", "µs", goal{atLeast: least})
		if node.secp256k1 {
			continue // nothing else has to do with the curve
		}
		add("memory of each, just accepted", "accept/memory", "kB", goal{})
		add("memory of each, idle and pinged", "idle/memory", "kB", goal{atLeast: 3, atMost: 12})
		add("processor time of 50 idle peers", "idle/cpu", "µs/s", goal{atMost: 1000})
		for _, size := range sizes {
			measure := fmt.Sprintf("echo/%d", size.bytes)
			add("echoes of "+size.name, measure+"/rate", "/s", goal{atLeast: 1.2, rate: true})
			add("processor time of each", measure+"/cpu", "µs", goal{atLeast: 1.0})
		}
	}
}

// nodes are the ways to run a node that serves echo.
var nodes = []struct {
	side, label, runtime string
	secp256k1            bool
}{
	{side: "geth"},
	{side: "default", label: "smol", runtime: "smol"},
	{side: "tokio", label: "tokio", runtime: "tokio"},
	{side: "secp256k1", label: "smol, libsecp256k1", runtime: "smol", secp256k1: true},
	{side: "tokio-secp256k1", label: "tokio, libsecp256k1", runtime: "tokio", secp256k1: true},
}

// figures are all values of one measure, in the unit of the table.
type figures map[string][]float64

func (f figures) add(measure string, value float64) { f[measure] = append(f[measure], value) }

type comparison struct {
	geth, ours, oursC, devp2p, devp2pC string // programs
	rounds, loads, connections         int
	parallel                           int
	idle                               time.Duration
	pinging, echoing                   time.Duration
	jsonFile                           string
	gethOnly                           bool

	results     map[string]figures // by side: geth, default, secp256k1
	environment map[string]any     // what each side says about itself
}

func run(arguments []string) {
	var c comparison
	flags := flag.NewFlagSet("run", flag.ExitOnError)
	flags.StringVar(&c.ours, "compare", "", "our `compare`, default features")
	flags.StringVar(&c.oursC, "compare-secp256k1", "", "our `compare` with libsecp256k1")
	flags.StringVar(&c.devp2p, "devp2p", "", "our `devp2p`")
	flags.StringVar(&c.devp2pC, "devp2p-secp256k1", "", "our `devp2p` with libsecp256k1")
	flags.IntVar(&c.rounds, "rounds", 5, "rounds in memory; 0 for none")
	flags.IntVar(&c.loads, "loads", 5, "rounds over loopback; 0 for none")
	flags.DurationVar(&c.pinging, "pinging", 2*time.Second, "how long a round pings")
	flags.DurationVar(&c.echoing, "echoing", 2*time.Second, "how long a round echoes messages of one size")
	flags.IntVar(&c.connections, "connections", 1000, "real connections")
	flags.IntVar(&c.parallel, "parallel", 16, "how many are opened at a time")
	flags.DurationVar(&c.idle, "idle", 17*time.Second, "how long the last round holds them; pings come every 15 s")
	flags.StringVar(&c.jsonFile, "json", "", "also write the table to this `file`; - for standard output in its place")
	flags.BoolVar(&c.gethOnly, "geth-only", false, "only geth's side")
	flags.Parse(arguments)
	if flags.NArg() > 0 {
		fail("run: unexpected %q", flags.Arg(0))
	}
	c.geth, _ = os.Executable()
	c.results = make(map[string]figures)
	for _, node := range nodes {
		c.results[node.side] = make(figures)
	}
	c.environment = make(map[string]any)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		killChildren()
		os.Exit(130)
	}()

	for round := range c.rounds {
		progress("handshakes, frames and pings in memory, round %d of %d", round+1, c.rounds)
		for _, side := range c.sides(round, "geth", "default", "secp256k1") {
			c.benchmark(side, "rlpx")
			c.benchmark(side, "packets")
		}
		for _, side := range c.sides(round, "geth", "default") {
			c.benchmark(side, "table")
		}
	}
	for round := range c.loads {
		progress("pings over loopback, round %d of %d", round+1, c.loads)
		for _, side := range c.sides(round, "geth", "default", "secp256k1") {
			c.pings(side)
		}
	}
	for round := range c.loads {
		progress("%d connections, round %d of %d", c.connections, round+1, c.loads)
		last := round == c.loads-1
		for _, side := range c.sides(round, "geth", "default", "tokio", "secp256k1", "tokio-secp256k1") {
			idle := 2 * time.Second
			if last && !strings.HasSuffix(side, "secp256k1") {
				idle = c.idle
			}
			c.load(side, idle)
		}
	}
	for round := range c.loads {
		progress("echoes, round %d of %d", round+1, c.loads)
		for _, side := range c.sides(round, "geth", "default", "tokio") {
			for _, size := range sizes {
				c.echoes(side, size.bytes)
			}
		}
	}
	if c.loads > 0 {
		progress("50 idle peers")
		for _, side := range c.sides(0, "geth", "default", "tokio") {
			c.idlePeers(side)
		}
	}
	c.table()
}

func progress(format string, values ...any) { fmt.Fprintf(os.Stderr, format+"\n", values...) }

// sides takes turns at being first.
func (c *comparison) sides(round int, all ...string) []string {
	if c.gethOnly {
		return []string{"geth"}
	}
	if round%2 == 1 {
		slices.Reverse(all)
	}
	return all
}

// benchmark runs one command of one side; it prints JSON lines {"name", "ns"}.
func (c *comparison) benchmark(side, command string) {
	path := map[string]string{"geth": c.geth, "default": c.ours, "secp256k1": c.oursC}[side]
	p := start(path, command)
	seen := 0
	for {
		line, err := p.output.ReadBytes('\n')
		if err != nil {
			break
		}
		var result struct {
			Name string   `json:"name"`
			NS   *float64 `json:"ns"`
		}
		if json.Unmarshal(line, &result) == nil && result.NS != nil {
			value := *result.NS / 1000
			if strings.HasPrefix(result.Name, "gate/") {
				value = 1 / value // millions a second
			}
			c.results[side].add(result.Name, value)
			seen++
			continue
		}
		var other map[string]any
		if json.Unmarshal(line, &other) == nil {
			c.environment[side] = other
		}
	}
	if err := p.wait(); err != nil || seen == 0 {
		fail("%s %s: %v, %d results", path, command, err, seen)
	}
}

// pings has one side's discovery answer as many as it can.
func (c *comparison) pings(side string) {
	listen := []string{"discv4", "listen", "--addr", "127.0.0.1:0", "--bootnodes", ""}
	var node *child
	switch side {
	case "geth":
		node = start(c.geth, "discover")
	case "default":
		node = start(c.devp2p, listen...)
	default:
		node = start(c.devp2pC, listen...)
	}
	defer node.stop()
	url := node.enode()
	time.Sleep(500 * time.Millisecond)
	generator := start(c.geth, "pings", "--time", c.pinging.String(), url)
	c.results[side].add("pings/lost", c.answers(side, "pings", node, generator))
}

// answers has a generator count what a node answers between the two lines that it prints, and gives how many answers
// it lost.
func (c *comparison) answers(side, measure string, node, generator *child) (lost float64) {
	var said struct {
		Ready     bool    `json:"ready"`
		Answered  float64 `json:"answered"`
		Lost      float64 `json:"lost"`
		PerSecond float64 `json:"per_second"`
	}
	generator.read(&said)
	spent := node.spent()
	generator.read(&said)
	spent = node.spent() - spent
	if err := generator.wait(); err != nil {
		fail("%s: %v", measure, err)
	}
	if said.Answered == 0 {
		fail("%s: %s answered nothing", measure, node.path)
	}
	c.results[side].add(measure+"/rate", said.PerSecond)
	c.results[side].add(measure+"/cpu", spent.Seconds()*1e6/said.Answered)
	return said.Lost
}

// serve starts one side's node that serves echo.
func (c *comparison) serve(side string) (*child, string) {
	peers := strconv.Itoa(2 * c.connections)
	var node *child
	for _, n := range nodes {
		if n.side != side {
			continue
		}
		path := c.devp2p
		if n.secp256k1 {
			path = c.devp2pC
		}
		if side == "geth" {
			// As many handshakes at a time as the generator opens, so that its limit is not what is measured.
			node = start(c.geth, "serve", "--maxpeers", peers, "--maxpending", strconv.Itoa(4*c.parallel))
		} else {
			node = start(path, "rlpx", "listen", "--addr", "127.0.0.1:0", "--echo", "--maxpeers", peers, "--runtime", n.runtime)
		}
	}
	url := node.enode()
	time.Sleep(500 * time.Millisecond)
	return node, url
}

// visit has the load generator open connections to a node, and gives how many a second.
func (c *comparison) visit(node *child, url string, connections int) (generator *child, perSecond float64) {
	generator = start(c.geth, "load", "--connections", strconv.Itoa(connections), "--parallel", strconv.Itoa(c.parallel), url)
	var opened struct {
		Failed       int     `json:"failed"`
		FirstFailure string  `json:"first_failure"`
		PerSecond    float64 `json:"per_second"`
	}
	generator.read(&opened)
	if opened.Failed > 0 {
		fail("%s: %d of %d connections failed; one of them: %s", node.path, opened.Failed, connections, opened.FirstFailure)
	}
	return generator, opened.PerSecond
}

// depart ends what visit began, and gives how many pings each connection answered meanwhile.
func (c *comparison) depart(node, generator *child, connections int) (pings float64) {
	fmt.Fprintln(generator.input)
	var held struct {
		Lost          int     `json:"lost"`
		PingsAnswered float64 `json:"pings_answered"`
	}
	generator.read(&held)
	if held.Lost > 0 {
		fail("%s: lost %d of %d connections while they were idle", node.path, held.Lost, connections)
	}
	if err := generator.wait(); err != nil {
		fail("load: %v", err)
	}
	return held.PingsAnswered / float64(connections)
}

// load has one side's node accept many connections and hold them.
func (c *comparison) load(side string, idle time.Duration) {
	var node, generator *child
	var url string
	var perSecond float64
	// Each has a core for itself, so that all nodes have as much, and wait for nobody else.
	onCore(0, func() { node, url = c.serve(side) })
	defer node.stop()
	memory, spent := node.resident(), node.spent()
	onCore(1, func() { generator, perSecond = c.visit(node, url, c.connections) })
	accepting := node.spent() - spent
	time.Sleep(2 * time.Second)
	accepted := node.resident()
	time.Sleep(idle - 2*time.Second)
	pinged := node.resident()
	pings := c.depart(node, generator, c.connections)

	results, connections := c.results[side], float64(c.connections)
	results.add("accept/rate", perSecond)
	results.add("accept/cpu", accepting.Seconds()*1e6/connections)
	results.add("accept/memory", float64(accepted-memory)/1000/connections)
	if idle == c.idle {
		results.add("idle/memory", float64(pinged-memory)/1000/connections)
		results.add("idle/pings", pings)
	}
}

// echoes has one side's node send back messages of a size.
func (c *comparison) echoes(side string, size int) {
	node, url := c.serve(side)
	defer node.stop()
	generator := start(c.geth, "echo", "--size", strconv.Itoa(size), "--time", c.echoing.String(), url)
	c.answers(side, fmt.Sprintf("echo/%d", size), node, generator)
}

// idlePeers has one side's node hold 50 connections, pings included.
func (c *comparison) idlePeers(side string) {
	const peers = 50
	node, url := c.serve(side)
	defer node.stop()
	generator, _ := c.visit(node, url, peers)
	time.Sleep(time.Second)
	spent, begin := node.spent(), time.Now()
	time.Sleep(c.idle)
	c.results[side].add("idle/cpu", (node.spent()-spent).Seconds()*1e6/time.Since(begin).Seconds())
	c.depart(node, generator, peers)
}

// line is a goal with its outcome, as it is written to the JSON file.
type line struct {
	Name    string    `json:"name"`
	Unit    string    `json:"unit"`
	Ours    *float64  `json:"ours"`
	Geth    *float64  `json:"geth"`
	Ratio   *float64  `json:"ratio"`
	Goal    string    `json:"goal"`
	Met     *bool     `json:"met"`
	OursAll []float64 `json:"ours_all"`
	GethAll []float64 `json:"geth_all"`
}

func (c *comparison) table() {
	var lines []line
	for _, g := range goals {
		geth, ours := c.results["geth"][g.measure], c.results[g.build][g.measure]
		l := line{Name: g.name, Unit: g.unit, OursAll: ours, GethAll: geth}
		if len(geth) == 0 && len(ours) == 0 {
			continue // not measured this time
		}
		if len(geth) > 0 {
			value := median(geth)
			l.Geth = &value
		}
		if len(ours) > 0 {
			value := median(ours)
			l.Ours = &value
		} else if !c.gethOnly {
			fail("ours (%s) gave no result for %s", g.build, g.measure)
		}
		if l.Geth != nil && l.Ours != nil && *l.Geth > 0 && *l.Ours > 0 {
			ratio := *l.Geth / *l.Ours
			if g.rate {
				ratio = *l.Ours / *l.Geth
			}
			l.Ratio = &ratio
		}
		var met bool
		switch {
		case g.atLeast > 0:
			l.Goal = fmt.Sprintf("ratio ≥ %.2f", g.atLeast)
			met = l.Ratio != nil && *l.Ratio >= g.atLeast
			if g.atMost > 0 {
				l.Goal += fmt.Sprintf(", ≤ %g", g.atMost)
				met = met && *l.Ours <= g.atMost
			}
		case g.atMost > 0:
			l.Goal = fmt.Sprintf("≤ %g %s", g.atMost, g.unit)
			met = l.Ours != nil && *l.Ours <= g.atMost
		case g.least > 0:
			l.Goal = fmt.Sprintf("≥ %g %s", g.least, g.unit)
			met = l.Ours != nil && *l.Ours >= g.least
		}
		if l.Goal != "" && l.Ours != nil {
			l.Met = &met
		}
		lines = append(lines, l)
	}

	document, err := json.MarshalIndent(map[string]any{"lines": lines, "environment": c.environment, "rounds": c.rounds,
		"pings_lost": map[string]any{"geth": c.results["geth"]["pings/lost"], "ours": c.results["default"]["pings/lost"],
			"ours_libsecp256k1": c.results["secp256k1"]["pings/lost"]},
		"load_rounds": c.loads, "connections": c.connections, "pings_of_each_while_idle": map[string]any{
			"geth": c.results["geth"]["idle/pings"], "ours": c.results["default"]["idle/pings"]}}, "", "  ")
	if err != nil {
		fail("%v", err)
	}
	if c.jsonFile == "-" {
		fmt.Println(string(document))
		return
	}
	if c.jsonFile != "" {
		if err := os.WriteFile(c.jsonFile, append(document, '\n'), 0o644); err != nil {
			fail("%v", err)
		}
	}
	const form = "%-56s %14s %14s %7s  %-18s %s\n"
	fmt.Printf(form, "", "ours", "geth", "ratio", "goal", "")
	for _, l := range lines {
		verdict := ""
		if l.Met != nil {
			verdict = map[bool]string{true: "met", false: "MISSED"}[*l.Met]
		}
		ratio := "-"
		if l.Ratio != nil {
			ratio = fmt.Sprintf("%.2f", *l.Ratio)
		}
		fmt.Printf(form, l.Name, show(l.Ours, l.Unit), show(l.Geth, l.Unit), ratio, l.Goal, verdict)
	}
}

func show(value *float64, unit string) string {
	switch {
	case value == nil:
		return "-"
	case *value >= 100:
		return fmt.Sprintf("%.0f %s", *value, unit)
	default:
		return fmt.Sprintf("%.2f %s", *value, unit)
	}
}

// child is a process of which we read lines.
type child struct {
	path    string
	command *exec.Cmd
	input   io.WriteCloser
	output  *bufio.Reader
	errors  *bytes.Buffer
	ended   chan error
}

var children = struct {
	sync.Mutex
	alive map[*child]struct{}
}{alive: make(map[*child]struct{})}

// killChildren ends every process that was started here, by its id.
func killChildren() {
	children.Lock()
	defer children.Unlock()
	for c := range children.alive {
		c.command.Process.Kill()
	}
}

func start(path string, arguments ...string) *child {
	c := &child{path: filepath.Base(path), command: exec.Command(path, arguments...), errors: new(bytes.Buffer)}
	c.command.Stderr = c.errors
	input, err := c.command.StdinPipe()
	if err != nil {
		fail("%s: %v", path, err)
	}
	output, err := c.command.StdoutPipe()
	if err != nil {
		fail("%s: %v", path, err)
	}
	if err := c.command.Start(); err != nil {
		fail("%s: %v", path, err)
	}
	c.input, c.output = input, bufio.NewReader(output)
	children.Lock()
	defer children.Unlock()
	children.alive[c] = struct{}{}
	return c
}

// onCore has the processes that are started in it run on one core alone, where there are two.
func onCore(core int, do func()) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var all, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		fail("cores: %v", err)
	}
	if all.Count() > 1 {
		for number := 0; one.Count() == 0; number++ {
			if all.IsSet(number) && core == 0 {
				one.Set(number)
			} else if all.IsSet(number) {
				core--
			}
		}
		if err := unix.SchedSetaffinity(0, &one); err != nil {
			fail("cores: %v", err)
		}
		defer unix.SchedSetaffinity(0, &all)
	}
	do()
}

// read takes one JSON line.
func (c *child) read(value any) {
	line, err := c.output.ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, value)
	}
	if err != nil {
		c.wait()
		fail("%s: %v\n%s", c.path, err, c.errors)
	}
}

// enode takes the URL that a node says first.
func (c *child) enode() string {
	url, err := c.output.ReadString('\n')
	if err != nil || !strings.HasPrefix(url, "enode://") {
		fail("%s: no enode URL but %q (%v)", c.path, url, err)
	}
	// A line for each peer may follow.
	go io.Copy(io.Discard, c.output)
	return strings.TrimSpace(url)
}

// wait is for the process to end by itself, after all of its output was read.
func (c *child) wait() error {
	io.Copy(io.Discard, c.output)
	err := c.command.Wait()
	children.Lock()
	delete(children.alive, c)
	children.Unlock()
	if err != nil {
		return fmt.Errorf("%w\n%s", err, c.errors)
	}
	return nil
}

func (c *child) stop() {
	c.command.Process.Signal(syscall.SIGTERM)
	overdue := time.AfterFunc(10*time.Second, func() { c.command.Process.Kill() })
	defer overdue.Stop()
	if err := c.wait(); err != nil {
		fail("%s did not end cleanly: %v", c.path, err)
	}
}

// resident is the process's resident memory in bytes.
func (c *child) resident() int {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.command.Process.Pid))
	if err != nil {
		fail("%s: %v", c.path, err)
	}
	for _, line := range strings.Split(string(status), "\n") {
		if digits, found := strings.CutPrefix(line, "VmRSS:"); found {
			kibibytes, err := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(digits, "kB")))
			if err != nil {
				fail("%s: %q: %v", c.path, line, err)
			}
			return kibibytes << 10
		}
	}
	fail("%s: no VmRSS; is it still running?\n%s", c.path, c.errors)
	return 0
}

// spent is the processor time of the process's threads, in nanoseconds as the scheduler counts it; the process's own
// total comes in hundredths of a second, and serves where threads have ended or the scheduler does not tell.
func (c *child) spent() time.Duration {
	process := fmt.Sprintf("/proc/%d", c.command.Process.Pid)
	var threads time.Duration
	files, _ := filepath.Glob(process + "/task/*/schedstat")
	for _, file := range files {
		if text, err := os.ReadFile(file); err == nil {
			nanoseconds, _, _ := strings.Cut(string(text), " ")
			count, _ := strconv.ParseInt(nanoseconds, 10, 64)
			threads += time.Duration(count)
		}
	}
	stat, err := os.ReadFile(process + "/stat")
	if err != nil {
		fail("%s: %v", c.path, err)
	}
	// The name in parentheses may hold anything; user and system time are the 14th and 15th field.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	// The total is cut off, so that it counts only where it is more by a whole hundredth.
	if total := time.Duration(user+system) * 10 * time.Millisecond; total > threads+10*time.Millisecond {
		return total
	}
	return threads
}
