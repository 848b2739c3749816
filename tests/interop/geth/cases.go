package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"
)

// prompt is how long anything may take that happens at once; generous, for a busy machine.
const prompt = 15 * time.Second

// A trial is one case.
type trial struct {
	name string
	run  func(t *test)
}

// test is one run of a trial: what it started, and where its files are.
type test struct {
	bench    *bench
	folder   string
	programs []*program
	sockets  []io.Closer
	detail   string // said after the name of a case that passed
}

// bench holds the programs under test.
type bench struct {
	ours, lookUp, tool, geth string
}

type failure string

func (t *test) failf(format string, values ...any) { panic(failure(fmt.Sprintf(format, values...))) }

func (t *test) check(holds bool, format string, values ...any) {
	if !holds {
		t.failf(format, values...)
	}
}

func (t *test) spawn(title, path string, arguments ...string) *program {
	p, err := spawn(title, path, arguments...)
	if err != nil {
		t.failf("%s: %v", title, err)
	}
	t.programs = append(t.programs, p)
	return p
}

// node is a listening program of either kind.
type node struct {
	*program
	url string
	at  *enode.Node
}

func (t *test) listening(p *program) *node {
	line := p.find(prompt, func(line map[string]any) bool { return line["event"] == "listening" })
	t.check(line != nil, "%s never said where it listens", p.title)
	url := fmt.Sprint(line["enode"])
	at, err := enode.ParseV4(url)
	t.check(err == nil, "%s: enode URL %q: %v", p.title, url, err)
	return &node{program: p, url: url, at: at}
}

func (t *test) ourNode(arguments ...string) *node {
	arguments = append([]string{"rlpx", "listen", "--addr", "127.0.0.1:0", "--echo", "--json"}, arguments...)
	return t.listening(t.spawn("our node", t.bench.ours, arguments...))
}

func (t *test) gethNode(arguments ...string) *node {
	arguments = append([]string{"serve", "--quit-with-stdin"}, arguments...)
	return t.listening(t.spawn("geth's node", t.bench.geth, arguments...))
}

// dialing starts a geth server that dials.
func (t *test) dialing(url string, arguments ...string) *program {
	arguments = append([]string{"dial", "--quit-with-stdin"}, arguments...)
	return t.spawn("geth dialing", t.bench.geth, append(arguments, url)...)
}

// holding is a geth server that dialed and stays.
func (t *test) holding(url string, arguments ...string) *program {
	p := t.dialing(url, append(arguments, "--hold")...)
	t.event(p, "echoed", nil)
	return p
}

// ours starts our program; its output is JSON.
func (t *test) ours(arguments ...string) *program {
	title := arguments[1]
	if strings.HasPrefix(title, "-") {
		title = arguments[0]
	}
	return t.spawn("our "+title, t.bench.ours, append(arguments, "--json")...)
}

// event waits for an event with those values.
func (t *test) event(p *program, name string, want map[string]any) map[string]any {
	line := p.find(prompt, func(line map[string]any) bool {
		if line["event"] != name {
			return false
		}
		for key, value := range want {
			if fmt.Sprint(line[key]) != fmt.Sprint(value) {
				return false
			}
		}
		return true
	})
	t.check(line != nil, "%s told no %q with %v", p.title, name, want)
	return line
}

// succeeds waits for the program's end and gives the one JSON object that it printed.
func (t *test) succeeds(p *program, limit time.Duration) map[string]any {
	status := p.wait(limit)
	t.check(status == 0, "%s: exit status %d, want 0", p.title, status)
	t.check(len(p.lines) == 1, "%s: %d JSON lines, want 1", p.title, len(p.lines))
	return p.lines[0]
}

// refused waits for our program's failure and checks its reason.
func (t *test) refused(p *program, by []string, reason string) string {
	status := p.wait(prompt)
	t.check(status == 1, "%s: exit status %d, want 1", p.title, status)
	t.check(len(p.lines) > 0, "%s: no JSON", p.title)
	said, ok := p.lines[len(p.lines)-1]["error"].(map[string]any)
	t.check(ok, "%s: no error in its JSON", p.title)
	found := false
	for _, who := range by {
		found = found || said["by"] == who
	}
	t.check(found, "%s: refused by %v, want %v", p.title, said["by"], by)
	text, _ := said["reason"].(string)
	t.check(text != "", "%s: no reason", p.title)
	if reason != "" {
		t.check(text == reason, "%s: reason %q, want %q", p.title, text, reason)
	}
	return text
}

// key makes a node key with our own program.
func (t *test) key(name string) string {
	file := filepath.Join(t.folder, name)
	p := t.spawn("our key", t.bench.ours, "key", "generate", file)
	t.check(p.wait(prompt) == 0, "devp2p key generate failed")
	return file
}

// idOf is what our program says is the key's node id.
func (t *test) idOf(file string) string {
	p := t.spawn("our key", t.bench.ours, "key", "to-id", file)
	t.check(p.wait(prompt) == 0, "devp2p key to-id failed")
	return p.stdout()
}

// misnamed is the URL of a node at an address where another one listens.
func (t *test) misnamed(at *enode.Node) string {
	port := fmt.Sprint(at.TCP())
	p := t.spawn("our key", t.bench.ours, "key", "to-enode", t.key("another"), "--ip", "127.0.0.1", "--tcp", port, "--udp", port)
	t.check(p.wait(prompt) == 0, "devp2p key to-enode failed")
	return p.stdout()
}

func (t *test) publicKey(n *enode.Node) string {
	return strings.TrimPrefix(n.URLv4(), "enode://")[:128]
}

func cases(arguments []string) {
	var b bench
	flags := flag.NewFlagSet("cases", flag.ExitOnError)
	flags.StringVar(&b.ours, "ours", "", "our `devp2p`")
	flags.StringVar(&b.lookUp, "look-up", "", "our `look_up`")
	flags.StringVar(&b.tool, "tool", "", "geth's `devp2p`")
	flags.Parse(arguments)
	b.geth, _ = os.Executable()
	pattern, err := regexp.Compile("(?i)" + flags.Arg(0))
	if err != nil || b.ours == "" || b.lookUp == "" || b.tool == "" {
		fail("cases: want --ours PATH --look-up PATH --tool PATH [PATTERN] (%v)", err)
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		killChildren()
		os.Exit(130)
	}()

	passed, failed := 0, 0
	report := func(name string, t *test, why string) {
		if why == "" {
			passed++
			fmt.Printf("ok - %s%s\n", name, t.detail)
			return
		}
		failed++
		fmt.Printf("FAILED - %s: %s\n", name, why)
		for _, p := range t.programs {
			p.report()
		}
	}
	var sets []*set
	for _, s := range stages() {
		if begun := s.set(&b, pattern); begun != nil {
			sets = append(sets, begun)
		}
	}
	all := slices.Concat(trials(), nodeDatabaseTrials(), dataDirectoryTrials(), discoveryTrials(), societyTrials(), adminTrials())
	for _, one := range all {
		if pattern.MatchString(one.name) {
			t, why := b.play(one)
			report(one.name, t, why)
		}
	}
	for _, s := range sets {
		s.play(report)
	}
	for _, each := range b.playOddities(pattern) {
		outcome := <-each
		report(outcome.name, outcome.test, outcome.why)
	}
	fmt.Printf("%d passed, %d failed\n", passed, failed)
	if failed > 0 || passed == 0 {
		os.Exit(1)
	}
}

// play runs one trial and ends every process that it started.
func (b *bench) play(one trial) (t *test, why string) {
	folder, err := os.MkdirTemp("", "interop")
	if err != nil {
		fail("%v", err)
	}
	t = &test{bench: b, folder: folder}
	defer t.end()
	begun := time.Now()
	why = t.attempt(one.run)
	if took := time.Since(begun); took > 5*time.Second {
		t.detail += fmt.Sprintf(" (%.0f s)", took.Seconds())
	}
	return t, why
}

// end ends every process, closes every socket and removes every file.
func (t *test) end() {
	for _, p := range t.programs {
		p.stop()
	}
	for _, socket := range t.sockets {
		socket.Close()
	}
	os.RemoveAll(t.folder)
}

// attempt gives the reason of a failure, or nothing.
func (t *test) attempt(run func(t *test)) (why string) {
	defer func() {
		if what := recover(); what != nil {
			text, ok := what.(failure)
			if !ok {
				panic(what)
			}
			why = string(text)
		}
	}()
	run(t)
	return ""
}

// played is what became of one oddity.
type played struct {
	name string
	test *test
	why  string
}

// playOddities sets every oddity against geth's node and against ours, all at the same time since some of them wait
// for a time limit, and demands the same of both.
func (b *bench) playOddities(pattern *regexp.Regexp) []chan played {
	name := func(o oddity) string { return "as geth does: " + o.name }
	var chosen []oddity
	for _, o := range oddities {
		if pattern.MatchString(name(o)) {
			chosen = append(chosen, o)
		}
	}
	results := make([]chan played, len(chosen))
	if len(chosen) == 0 {
		return results
	}
	shared := &test{bench: b}
	var geths, ours *node
	for i := range results {
		results[i] = make(chan played, 1)
	}
	startFailure := func() (why string) {
		defer func() {
			if what := recover(); what != nil {
				why = fmt.Sprint(what)
			}
		}()
		geths, ours = shared.gethNode("--maxpeers", "200"), shared.ourNode("--maxpeers", "200")
		return ""
	}()

	var all sync.WaitGroup
	for i, o := range chosen {
		all.Add(1)
		go func() {
			defer all.Done()
			if startFailure != "" {
				results[i] <- played{name(o), shared, startFailure}
				return
			}
			outcomes := make([]string, 2)
			var both sync.WaitGroup
			for side, at := range []*enode.Node{geths.at, ours.at} {
				both.Add(1)
				go func() {
					defer both.Done()
					outcomes[side], _ = play(o, at, (&options{}).key())
				}()
			}
			both.Wait()
			t := &test{detail: " → " + outcomes[0]}
			switch {
			case outcomes[0] != o.geth:
				results[i] <- played{name(o), t, fmt.Sprintf("geth: %s, but noted is: %s", outcomes[0], o.geth)}
			case outcomes[1] != outcomes[0]:
				results[i] <- played{name(o), t, fmt.Sprintf("ours: %s, geth: %s", outcomes[1], outcomes[0])}
			default:
				results[i] <- played{name: name(o), test: t}
			}
		}()
	}

	// Whatever was done to it, our node goes on serving, and has let go of everybody.
	last := make(chan played, 1)
	go func() {
		all.Wait()
		t, why := b.play(trial{run: func(t *test) {
			t.check(startFailure == "", "%s", startFailure)
			outcome, _ := play(oddities[0], ours.at, (&options{}).key())
			t.check(outcome == "pong", "outcome: %s", outcome)
			ours.command.Process.Signal(syscall.SIGTERM)
			status := ours.wait(prompt)
			t.check(status == 0, "exit status %d, want 0", status)
		}})
		for _, p := range shared.programs {
			p.stop()
		}
		if why != "" {
			t.programs = shared.programs
		}
		last <- played{"our node still serves after all of that, and ends cleanly", t, why}
	}()
	return append(results, last)
}
