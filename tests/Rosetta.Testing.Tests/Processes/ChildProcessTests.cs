using System.Globalization;
using Rosetta.Testing.Processes;
using Rosetta.Testing.Waiting;
using Xunit;

namespace Rosetta.Testing.Tests.Processes;

public sealed class ChildProcessTests
{
    static ChildProcessOptions Shell(string script) =>
        new() { Name = "child", Program = "/bin/sh", Arguments = ["-c", script] };

    [Fact]
    public async Task Should_capture_both_outputs_and_the_exit_code()
    {
        var file = Path.GetTempFileName();
        await using (var child = ChildProcess.Start(
            Shell("echo \"out $GREETING\"; echo err >&2; exit 3") with
            {
                Environment = new Dictionary<string, string?> { ["GREETING"] = "hello" },
                OutputFile = file
            }))
        {
            Assert.Equal(3, await child.WaitForExitAsync());
            Assert.Contains("out hello", child.OutputTail(), StringComparison.Ordinal);
            Assert.Contains("err", child.OutputTail(), StringComparison.Ordinal);
        }
        Assert.Equal(["err", "out hello"], (await File.ReadAllLinesAsync(file)).Order(StringComparer.Ordinal));
        File.Delete(file);
    }

    [Fact]
    public async Task Should_wait_for_a_line_and_fail_at_once_when_the_process_ends_without_it()
    {
        await using var ready = ChildProcess.Start(Shell("echo starting; echo ready on 5; exec sleep 600"));
        Assert.Equal("ready on 5", await ready.WaitForLineAsync("ready"));
        await using var failing = ChildProcess.Start(Shell("echo no luck; exit 1"));
        var error = await Assert.ThrowsAsync<ChildProcessException>(() => failing.WaitForLineAsync("ready"));
        Assert.Contains("exit code 1", error.Message, StringComparison.Ordinal);
        Assert.Contains("no luck", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Should_kill_at_once_and_stop_politely()
    {
        const string Polite = "trap 'echo bye; exit 7' TERM; echo up; while true; do sleep 0.05; done";
        await using var stopped = ChildProcess.Start(Shell(Polite));
        await stopped.WaitForLineAsync("up");
        Assert.Equal(7, await stopped.StopAsync());
        await stopped.WaitForLineAsync("bye");

        await using var killed = ChildProcess.Start(Shell(Polite));
        await killed.WaitForLineAsync("up");
        await killed.KillAsync();
        Assert.Equal(128 + 9, killed.ExitCode);
        Assert.DoesNotContain("bye", killed.OutputTail(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Should_print_nothing_while_frozen()
    {
        var lines = 0;
        await using var child = ChildProcess.Start(
            Shell("while true; do echo tick; sleep 0.02; done") with { OnLine = _ => Interlocked.Increment(ref lines) });
        await Wait.UntilAsync(() => Volatile.Read(ref lines) > 2, "the first ticks");
        child.Freeze();
        await Wait.UntilAsync(
            async () =>
            {
                var before = Volatile.Read(ref lines);
                await Task.Delay(200);
                return before == Volatile.Read(ref lines);
            }, "ticks to end");
        var frozenAt = Volatile.Read(ref lines);
        child.Thaw();
        await Wait.UntilAsync(() => Volatile.Read(ref lines) > frozenAt, "ticks to go on");
    }

    [Fact]
    public async Task Should_keep_only_the_last_lines()
    {
        await using var child = ChildProcess.Start(Shell("seq 1 1000") with { KeptLines = 10 });
        await child.WaitForExitAsync();
        Assert.Equal(string.Join('\n', Enumerable.Range(991, 10)), child.OutputTail());
    }

    [Fact]
    public void Should_say_that_the_program_is_missing()
    {
        var error = Assert.Throws<ChildProcessException>(
            () => ChildProcess.Start(new ChildProcessOptions { Name = "x", Program = "/nowhere/x" }));
        Assert.Contains("/nowhere/x could not be started", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Should_end_a_child_whose_owner_was_killed()
    {
        // An owner that is dead, and a child that lives on: as after a SIGKILL of a test run.
        using var orphan = System.Diagnostics.Process.Start("sleep", "600");
        var identity = ProcessIdentity.Find(orphan.Id)!.Value;
        var owner = new ProcessIdentity(ProcessIdentity.Current.Id, ProcessIdentity.Current.StartTicks - 1);
        var file = Path.Combine(
            Path.GetTempPath(), $"rosetta-processes-{Environment.UserName}",
            string.Create(CultureInfo.InvariantCulture, $"{identity.Id}-{identity.StartTicks}"));
        await File.WriteAllTextAsync(file, identity.Format() + "\n" + owner.Format());
        await using var next = ChildProcess.Start(Shell("true"));
        await orphan.WaitForExitAsync().WaitAsync(TimeSpan.FromSeconds(30));
        Assert.False(File.Exists(file));
    }
}
