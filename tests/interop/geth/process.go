package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// program is a child process whose standard output is JSON lines.
type program struct {
	title   string
	command *exec.Cmd
	stdin   io.WriteCloser

	lock    sync.Mutex
	changed chan struct{} // replaced at each change
	lines   []map[string]any
	log     []string // both streams, for the report of a failure
	out     []string // standard output alone
	ended   bool
	status  int
}

// children are the processes alive now, to be killed by their ids if this program is asked to end.
var children = struct {
	sync.Mutex
	alive map[*program]struct{}
}{alive: make(map[*program]struct{})}

func killChildren() {
	children.Lock()
	defer children.Unlock()
	for p := range children.alive {
		p.command.Process.Kill()
	}
}

func spawn(title, path string, arguments ...string) (*program, error) {
	p := &program{title: title, command: exec.Command(path, arguments...), changed: make(chan struct{})}
	p.note(fmt.Sprintf("$ %s %s", path, strings.Join(arguments, " ")), false)
	stdin, err := p.command.StdinPipe()
	if err != nil {
		return nil, err
	}
	p.stdin = stdin
	stdout, err := p.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	stderr, err := p.command.StderrPipe()
	if err != nil {
		return nil, err
	}
	children.Lock()
	defer children.Unlock()
	if err := p.command.Start(); err != nil {
		return nil, err
	}
	children.alive[p] = struct{}{}

	var readers sync.WaitGroup
	for _, stream := range []io.Reader{stdout, stderr} {
		readers.Add(1)
		go func() {
			defer readers.Done()
			lines := bufio.NewScanner(stream)
			lines.Buffer(nil, 1<<20)
			for lines.Scan() {
				p.note(lines.Text(), stream == io.Reader(stdout))
			}
			io.Copy(io.Discard, stream) // a line too long for the scanner must not block the child
		}()
	}
	go func() {
		readers.Wait()
		p.command.Wait()
		children.Lock()
		delete(children.alive, p)
		children.Unlock()
		p.lock.Lock()
		defer p.lock.Unlock()
		p.ended, p.status = true, p.command.ProcessState.ExitCode()
		p.log = append(p.log, fmt.Sprintf("(%v)", p.command.ProcessState))
		close(p.changed)
		p.changed = make(chan struct{})
	}()
	return p, nil
}

func (p *program) note(line string, isOutput bool) {
	p.lock.Lock()
	defer p.lock.Unlock()
	p.log = append(p.log, line)
	if isOutput {
		p.out = append(p.out, line)
		var values map[string]any
		if json.Unmarshal([]byte(line), &values) == nil {
			p.lines = append(p.lines, values)
		}
	}
	close(p.changed)
	p.changed = make(chan struct{})
}

// until waits for a condition on the program's lines, checked under its lock.
func (p *program) until(limit time.Duration, holds func() bool) bool {
	timer := time.After(limit)
	for {
		p.lock.Lock()
		done, ended, changed := holds(), p.ended, p.changed
		p.lock.Unlock()
		if done || ended {
			return done
		}
		select {
		case <-changed:
		case <-timer:
			return false
		}
	}
}

// find waits for the first line that matches.
func (p *program) find(limit time.Duration, matches func(line map[string]any) bool) map[string]any {
	var found map[string]any
	p.until(limit, func() bool {
		for _, line := range p.lines {
			if matches(line) {
				found = line
				return true
			}
		}
		return false
	})
	return found
}

// wait gives the exit status, -1 if the program is still running.
func (p *program) wait(limit time.Duration) int {
	if !p.until(limit, func() bool { return p.ended }) {
		return -1
	}
	return p.status
}

// stop ends the program: politely, then not.
func (p *program) stop() {
	p.command.Process.Signal(syscall.SIGTERM)
	if p.wait(3*time.Second) == -1 {
		p.command.Process.Kill()
		p.wait(3 * time.Second)
	}
}

func (p *program) stdout() string {
	p.lock.Lock()
	defer p.lock.Unlock()
	return strings.Join(p.out, "\n")
}

func (p *program) report() {
	p.lock.Lock()
	defer p.lock.Unlock()
	fmt.Fprintf(os.Stdout, "    --- %s\n", p.title)
	for i, line := range p.log {
		if hidden := len(p.log) - 60; i > 5 && i < hidden {
			if i == hidden-1 {
				fmt.Fprintf(os.Stdout, "    ... %d lines ...\n", hidden-6)
			}
			continue
		}
		if len(line) > 1000 {
			line = line[:1000] + "..."
		}
		fmt.Fprintf(os.Stdout, "    %s\n", line)
	}
}
