using Rosetta.Client;
using Rosetta.Core.Failpoints;
using Rosetta.Testing.Processes;
using Rosetta.Testing.Waiting;

namespace Rosetta.EndToEnd.Stage;

/// <summary>A node as a process: started, killed, frozen, stopped, started again on the same ports.</summary>
/// <param name="settings">What it needs, by its ports for API, health and remoting.</param>
/// <param name="environment">Beyond that, at each start.</param>
public sealed class NodeProcess(
    string name, Func<int, int, int, Dictionary<string, string?>> settings, IReadOnlyDictionary<string, string?>? environment) : IAsyncDisposable
{
    static readonly TimeSpan ReadyDeadline = TimeSpan.FromSeconds(120);

    readonly int _apiPort = FreePorts.Next();
    readonly int _healthPort = FreePorts.Next();
    readonly int _remotingPort = FreePorts.Next();
    ApiClient? _api;

    public ChildProcess Process { get; private set; } = null!;

    /// <summary>This is the node of that name in the API's answers.</summary>
    public bool Runs(string? node) => node?.EndsWith($":{_remotingPort}", StringComparison.Ordinal) == true;

    public Uri Address => new($"http://127.0.0.1:{_apiPort}");

    public Uri HealthAddress => new($"http://127.0.0.1:{_healthPort}");

    public ApiClient Api => _api ??= new ApiClient(Address);

    /// <param name="extra">Only for this start.</param>
    public async Task StartAsync(bool waitUntilReady = true, IReadOnlyDictionary<string, string?>? extra = null)
    {
        if (Process is not null)
            await Process.DisposeAsync();
        var variables = settings(_apiPort, _healthPort, _remotingPort);
        foreach (var (key, value) in (environment ?? new Dictionary<string, string?>()).Concat(extra ?? new Dictionary<string, string?>()))
            variables[key] = value;
        Process = ChildProcess.Start(new ChildProcessOptions
        {
            Name = name,
            Program = "dotnet",
            Arguments = [Path.Combine(AppContext.BaseDirectory, "Rosetta.Node.dll")],
            Environment = variables,
            OutputFile = Environment.GetEnvironmentVariable("ROSETTA_TEST_LOGS") is { } folder ? Path.Combine(folder, $"{name}-{_apiPort}.log") : null,
        });
        if (waitUntilReady)
            await ReadyAsync();
    }

    public Task ReadyAsync() => Process.WaitForHttpAsync(new Uri(Address, "/health/ready"), ReadyDeadline);

    public Task KillAsync() => Process.KillAsync();

    /// <summary>It is started anew and led to a failpoint, where it is killed, or stopped (SIGSTOP).</summary>
    /// <param name="failpoint">Its name, with <c>@n</c> for the n-th time.</param>
    /// <param name="lead">What leads it there; gives what the caller wants to know of it.</param>
    public async Task<T> ComeToAsync<T>(string failpoint, bool dies, Func<Task<T>> lead)
    {
        var (name, from) = failpoint.IndexOf('@', StringComparison.Ordinal) is >= 0 and var at ? (failpoint[..at], failpoint[at..]) : (failpoint, "");
        await KillAsync();
        // Some come to it before they are ready.
        await StartAsync(waitUntilReady: false, new Dictionary<string, string?> { [Failpoint.SettingName] = $"{name}={(dies ? "kill" : "stop*1")}{from}" });
        var led = await lead();
        // What it has said comes by a pipe, in its own time.
        await Wait.UntilAsync(
            async () => (dies ? Process.HasExited : await IsStoppedAsync()) && Process.OutputTail(400).Contains($"failpoint {name}", StringComparison.Ordinal),
            $"the node to come to {failpoint}", Installation.Patience);
        return led;
    }

    async Task<bool> IsStoppedAsync() => (await File.ReadAllTextAsync($"/proc/{Process.Id}/stat")).Split(") ", 2)[1].StartsWith('T');

    public async ValueTask DisposeAsync()
    {
        _api?.Dispose();
        if (Process is not null)
            await Process.DisposeAsync();
    }
}
