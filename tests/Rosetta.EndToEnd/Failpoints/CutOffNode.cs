using Akka.Actor;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Rosetta.Client;
using Rosetta.Core.Failpoints;
using Rosetta.EndToEnd.Stage;
using Rosetta.Node;
using Rosetta.Testing.Processes;
using Rosetta.Testing.Waiting;

namespace Rosetta.EndToEnd.Failpoints;

/// <summary>
/// The real node in this process. At the failpoint it is cut off from everything outside: each of its connections, to config database,
/// source and destinations, is reset and none is let through again until its actor system and host are gone, and the code at the
/// failpoint goes no further. For the servers that is what they see of a process that was killed.
/// </summary>
sealed class CutOffNode(Installation installation) : IMortalNode
{
    static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    readonly NodeOutput _output = new();
    readonly int _apiPort = FreePorts.Next();
    readonly int _healthPort = FreePorts.Next();
    readonly int _remotingPort = FreePorts.Next();
    TaskCompletionSource _cutOff = new();
    IDisposable? _failpoint;
    WebApplication? _app;
    ApiClient? _api;

    public ApiClient Api => _api ??= new ApiClient(new Uri($"http://127.0.0.1:{_apiPort}"));

    public bool IsDead => _cutOff.Task.IsCompleted;

    public async Task StartAsync(string? dieAt, bool waitUntilReady, IReadOnlyDictionary<string, string?>? settings = null)
    {
        // As if it came back a little later: otherwise each start would watch the dead one's row for some seconds.
        if (await BuryAsync())
            await installation.Config.ExecuteAsync("UPDATE cluster_nodes SET heartbeat = heartbeat - interval '1 minute'", "rosetta");
        foreach (var proxy in installation.Network)
            proxy.Accept();
        _cutOff = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        if (dieAt is not null)
        {
            _failpoint = Failpoint.Arm(dieAt, () =>
            {
                CutOff();
                throw new FailpointException(dieAt);
            });
        }

        var builder = WebApplication.CreateBuilder(new WebApplicationOptions { ContentRootPath = AppContext.BaseDirectory });
        builder.Configuration.AddInMemoryCollection(
            installation.NodeSettings(_apiPort, _healthPort, _remotingPort)
                .Concat(settings ?? new Dictionary<string, string?>())
                .Select(s => KeyValuePair.Create(s.Key.Replace("__", ":", StringComparison.Ordinal).Replace("ROSETTA:", "Rosetta:", StringComparison.Ordinal), s.Value)));
        _app = NodeHost.Build(builder, NodeSettings.Read(builder.Configuration));
        await _app.StartAsync();
        if (waitUntilReady)
            await Wait.UntilAsync(async () => IsDead || await Api.GetAsync("/health/ready") is not null, "the node to be ready", Patience);
    }

    public Task WaitForDeathAsync(TimeSpan deadline) => _cutOff.Task.WaitAsync(deadline);

    public Task KillAsync()
    {
        CutOff();
        return Task.CompletedTask;
    }

    public async ValueTask DisposeAsync()
    {
        CutOff();
        await BuryAsync();
        _api?.Dispose();
        _output.Dispose();
    }

    void CutOff()
    {
        foreach (var proxy in installation.Network)
            proxy.Refuse();
        foreach (var proxy in installation.Network)
            proxy.Cut();
        _cutOff.TrySetResult();
    }

    /// <summary>Ends what is left of the dead node, which can reach nothing any more: no drain, no leaving of the cluster.</summary>
    async Task<bool> BuryAsync()
    {
        _failpoint?.Dispose();
        _failpoint = null;
        if (_app is not { } app)
            return false;
        if (!IsDead)
            throw new InvalidOperationException("The node is not dead.");
        _app = null;
        var system = app.Services.GetRequiredService<ActorSystem>();
        ((ExtendedActorSystem)system).Abort();
        await system.WhenTerminated.WaitAsync(Patience);
        await app.DisposeAsync();
        return true;
    }
}
