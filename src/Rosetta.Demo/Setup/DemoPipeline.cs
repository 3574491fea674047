using Rosetta.Client;
using Rosetta.Client.Answers;
using Rosetta.Client.Requests;
using Rosetta.Core.Positions;
using Rosetta.Demo.Machine;

namespace Rosetta.Demo.Setup;

/// <summary>The demo's pipeline, made and watched through the REST API and nothing else.</summary>
sealed class DemoPipeline(ApiClient api, long id)
{
    static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(250);

    public long Id => id;

    /// <summary>Creates source, destinations and pipeline, and starts it.</summary>
    public static async Task<DemoPipeline> CreateAsync(
        ApiClient api, DemoMachine machine, Journal journal, CancellationToken cancellationToken)
    {
        var source = await CreateSourceAsync(api, machine.Source, journal, cancellationToken);
        var pipeline = (await api.PostAsync("pipelines", new NewPipeline("shop-to-all", source.Id), cancellationToken)).As<Pipeline>();
        foreach (var target in machine.Targets)
        {
            var config = new PostgresConfig(target.Server.Host, target.Server.Port, target.Name, target.User, target.Password);
            var destination = (await api.PostAsync(
                "destinations", new NewDestination(target.Name, "POSTGRES", config), cancellationToken)).As<Destination>();
            await api.PostAsync($"pipelines/{pipeline.Id}/destinations", new AttachDestination(destination.Id), cancellationToken);
        }
        await api.PostAsync($"pipelines/{pipeline.Id}/start", null, cancellationToken);
        journal.Say($"pipeline {pipeline.Name} created over the API and started: {machine.Source.Name} -> {string.Join(", ", machine.Targets.Select(t => t.Name))}");
        return new DemoPipeline(api, pipeline.Id);
    }

    static async Task<Source> CreateSourceAsync(ApiClient api, DemoDatabase shop, Journal journal, CancellationToken cancellationToken)
    {
        var body = new NewSource(shop.Name, shop.Server.Host, shop.Server.Port, shop.Name, shop.User, shop.Password);
        var source = (await api.PostAsync("sources", body, cancellationToken)).As<Source>();
        var preflight = (await api.GetAsync($"sources/{source.Id}/preflight", cancellationToken)).As<Preflight>();
        foreach (var finding in preflight.Findings.Where(f => f.Severity != "info"))
            journal.Say($"preflight {finding.Severity}: {finding.Check}: {finding.Detail}");
        return source;
    }

    public async Task<Pipeline> ReadAsync(CancellationToken cancellationToken) =>
        (await api.GetAsync($"pipelines/{id}", cancellationToken)).As<Pipeline>();

    /// <summary>Waits until every table of every destination follows the source.</summary>
    /// <exception cref="TimeoutException">With what was seen last.</exception>
    /// <exception cref="DemoFailedException">Something stopped in a state that waits for an operator.</exception>
    public Task<Pipeline> WaitUntilStreamingAsync(TimeSpan deadline, CancellationToken cancellationToken) =>
        WaitAsync(p => p.Runtime.State == "RUNNING" && p.Destinations.All(Follows), "every table to follow the source", deadline, cancellationToken);

    /// <summary>Waits until every destination has applied everything before the given end of the source's WAL.</summary>
    /// <exception cref="TimeoutException">With what was seen last.</exception>
    /// <exception cref="DemoFailedException">Something stopped in a state that waits for an operator.</exception>
    public Task<Pipeline> WaitUntilCaughtUpAsync(Lsn walEnd, TimeSpan deadline, CancellationToken cancellationToken) =>
        WaitAsync(
            p => p.Destinations.All(d => Follows(d) && d.AppliedLsn is { } applied && Lsn.Parse(applied) >= walEnd),
            $"every destination to reach {walEnd}", deadline, cancellationToken);

    /// <summary>What the dead letters of a destination met.</summary>
    public async Task<DeadLetterSummary> DeadLetterSummaryAsync(long destination, CancellationToken cancellationToken) =>
        (await api.GetAsync($"pipelines/{id}/destinations/{destination}/dlq/summary", cancellationToken)).As<DeadLetterSummary>();

    /// <summary>Waits for something of one destination.</summary>
    /// <exception cref="TimeoutException">With what was seen last.</exception>
    /// <exception cref="DemoFailedException">Something stopped in a state that waits for an operator.</exception>
    public async Task<PipelineDestination> WaitForDestinationAsync(
        string name, Func<PipelineDestination, bool> reached, string what, TimeSpan deadline, CancellationToken cancellationToken) =>
        (await WaitAsync(p => reached(p.Destinations.Single(d => d.Name == name)), what, deadline, cancellationToken)).Destinations.Single(d => d.Name == name);

    static bool Follows(PipelineDestination destination) =>
        destination.Tables is { Count: > 0 } tables && tables.All(t => t.State is "STREAMING" or "INSERT_ONLY");

    static bool NeedsSomebody(Pipeline pipeline) =>
        pipeline.Runtime.State == "ERROR"
        || pipeline.Destinations.Any(d => d.HealthStatus == "ERROR" || (d.Tables ?? []).Any(t => t.State == "ERROR"));

    async Task<Pipeline> WaitAsync(Func<Pipeline, bool> reached, string what, TimeSpan deadline, CancellationToken cancellationToken)
    {
        using var timer = new PeriodicTimer(Pause);
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(deadline);
        Pipeline? last = null;
        string? failure = null;
        try
        {
            do
            {
                try
                {
                    last = await ReadAsync(limit.Token);
                    if (reached(last))
                        return last;
                    if (NeedsSomebody(last))
                        throw new DemoFailedException($"The pipeline stopped at a fault: {PipelineSummary.Of(last)}");
                }
                catch (ApiException e)
                {
                    // The node is just being started again.
                    failure = e.Message;
                }
            }
            while (await timer.WaitForNextTickAsync(limit.Token));
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            // The deadline; told below.
        }
        throw new TimeoutException(
            $"Waited {deadline.TotalSeconds:F0} s for {what}; last seen: {(last is null ? failure ?? "nothing" : PipelineSummary.Of(last))}");
    }
}

/// <summary>What the demo shows does not hold; the message says what was seen.</summary>
sealed class DemoFailedException(string message) : Exception(message);
