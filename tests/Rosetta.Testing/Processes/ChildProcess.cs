using System.ComponentModel;
using System.Diagnostics;
using Rosetta.Testing.Waiting;

namespace Rosetta.Testing.Processes;

/// <summary>
/// A child process under control: killed, stopped, frozen at will, its output captured. Disposing it kills it with its own children;
/// so does the end of this process, and the next run ends one whose owner was killed.
/// </summary>
public sealed class ChildProcess : IAsyncDisposable
{
    static readonly TimeSpan HttpAttemptTimeout = TimeSpan.FromSeconds(5);

    static readonly TimeSpan OutputGrace = TimeSpan.FromSeconds(2);

    readonly ChildProcessOptions _options;
    readonly Process _process;
    readonly OutputLines _output;
    readonly StreamWriter? _file;
    readonly Task _ended;
    readonly ProcessIdentity _identity;

    ChildProcess(ChildProcessOptions options)
    {
        _options = options;
        _output = new OutputLines(options.KeptLines);
        var start = new ProcessStartInfo(options.Program)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            RedirectStandardInput = true,
            WorkingDirectory = options.WorkingDirectory ?? ""
        };
        foreach (var argument in options.Arguments)
            start.ArgumentList.Add(argument);
        foreach (var (name, value) in options.Environment)
        {
            if (value is null)
                start.Environment.Remove(name);
            else
                start.Environment[name] = value;
        }
        if (options.OutputFile is not null)
            _file = new StreamWriter(new FileStream(options.OutputFile, FileMode.Append, FileAccess.Write, FileShare.ReadWrite)) { AutoFlush = true };

        _process = new Process { StartInfo = start };
        try
        {
            _process.Start();
        }
        catch (Win32Exception e)
        {
            _file?.Dispose();
            throw new ChildProcessException($"{options.Name}: {options.Program} could not be started: {e.Message}", e);
        }
        // A child that ended at once is a zombie without identity; its id then names nobody.
        _identity = ProcessIdentity.Find(_process.Id) ?? new ProcessIdentity(_process.Id, -1);
        OwnedProcesses.Add(_identity);
        _process.StandardInput.Close();
        var reading = Task.WhenAll(ReadAsync(_process.StandardOutput), ReadAsync(_process.StandardError));
        _ended = WatchAsync(reading);
        Log($"{Name} started, process {Id}");
    }

    public string Name => _options.Name;

    public int Id => _identity.Id;

    public bool HasExited => _process.HasExited;

    /// <summary>The exit code, 128 + signal when a signal ended it; null while it runs.</summary>
    public int? ExitCode => _process.HasExited ? _process.ExitCode : null;

    /// <exception cref="ChildProcessException">The program is not there or not executable.</exception>
    public static ChildProcess Start(ChildProcessOptions options)
    {
        OwnedProcesses.Reap();
        return new ChildProcess(options);
    }

    /// <summary>SIGKILL, to this process alone (not to its children), and waits for its end.</summary>
    public async Task KillAsync()
    {
        _identity.Signal(PosixSignalNumber.Kill);
        await _process.WaitForExitAsync();
        Log($"{Name} killed");
    }

    /// <summary>SIGTERM, and waits for its end; its exit code.</summary>
    /// <exception cref="TimeoutException">It still runs after the deadline.</exception>
    public async Task<int> StopAsync(TimeSpan? deadline = null)
    {
        _identity.Signal(PosixSignalNumber.Terminate);
        return await WaitForExitAsync(deadline);
    }

    /// <summary>SIGSTOP: no instruction runs until <see cref="Thaw"/>, connections stay open.</summary>
    public void Freeze()
    {
        _identity.Signal(PosixSignalNumber.Stop);
        Log($"{Name} frozen");
    }

    /// <summary>SIGCONT.</summary>
    public void Thaw()
    {
        _identity.Signal(PosixSignalNumber.Continue);
        Log($"{Name} thawed");
    }

    public async Task<int> WaitForExitAsync(TimeSpan? deadline = null)
    {
        try
        {
            await _ended.WaitAsync(deadline ?? Wait.DefaultDeadline);
        }
        catch (TimeoutException)
        {
            throw new TimeoutException($"{Name} (process {Id}) did not end in time; its last output:\n{OutputTail()}");
        }
        return _process.ExitCode;
    }

    /// <summary>The first line of output that contains the text, printed already or to come.</summary>
    /// <exception cref="ChildProcessException">It ended without printing it.</exception>
    /// <exception cref="TimeoutException">The deadline passed.</exception>
    public Task<string> WaitForLineAsync(string text, TimeSpan? deadline = null) =>
        WaitForLineAsync(line => line.Contains(text, StringComparison.Ordinal), $"a line with '{text}'", deadline);

    /// <inheritdoc cref="WaitForLineAsync(string, TimeSpan?)"/>
    public async Task<string> WaitForLineAsync(Func<string, bool> wanted, string what, TimeSpan? deadline = null)
    {
        try
        {
            return await _output.FindAsync(wanted).WaitAsync(deadline ?? Wait.DefaultDeadline);
        }
        catch (TimeoutException)
        {
            throw new TimeoutException($"{Name} did not print {what} in time; its last output:\n{OutputTail()}");
        }
    }

    /// <summary>Waits until the address answers with a 2xx status.</summary>
    /// <exception cref="ChildProcessException">The process ended before.</exception>
    /// <exception cref="TimeoutException">The deadline passed.</exception>
    public async Task WaitForHttpAsync(Uri address, TimeSpan? deadline = null)
    {
        using var client = new HttpClient { Timeout = HttpAttemptTimeout };
        using var giveUp = new CancellationTokenSource();
        var ready = Wait.UntilAsync(
            async () =>
            {
                using var answer = await client.GetAsync(address, giveUp.Token);
                return answer.IsSuccessStatusCode;
            },
            $"{address} of {Name} to answer", deadline, giveUp.Token);
        if (await Task.WhenAny(ready, _ended) == _ended && !ready.IsCompletedSuccessfully)
        {
            await giveUp.CancelAsync();
            throw new ChildProcessException(EndReason());
        }
        await ready;
    }

    /// <summary>The last lines of standard output and error.</summary>
    public string OutputTail(int lines = 60) => string.Join('\n', _output.Tail(lines));

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
            _process.Kill(entireProcessTree: true);
        await _ended;
        _process.Dispose();
        if (_file is not null)
            await _file.DisposeAsync();
    }

    async Task WatchAsync(Task reading)
    {
        await _process.WaitForExitAsync();
        // A grandchild may keep the pipe open for ever.
        await Task.WhenAny(reading, Task.Delay(OutputGrace));
        OwnedProcesses.Remove(_identity);
        _output.End(EndReason());
    }

    async Task ReadAsync(StreamReader reader)
    {
        while (await reader.ReadLineAsync() is { } line)
        {
            _output.Add(line);
            if (_file is not null)
            {
                lock (_file)
                    _file.WriteLine(line);
            }
            _options.OnLine?.Invoke(line);
        }
    }

    string EndReason() => $"{Name} (process {Id}) ended with exit code {_process.ExitCode}; its last output:\n{OutputTail()}";

    void Log(string text) => _options.Log?.Invoke(text);
}
