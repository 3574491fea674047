using CsCheck;
using Rosetta.Core.Lanes;
using Rosetta.Core.Positions;
using Rosetta.Testing.Waiting;
using Xunit;
using Xunit.Abstractions;

namespace Rosetta.Core.Tests.Lanes;

/// <summary>
/// Three lanes over one main stream, with everything that may happen to them at random moments. The seed fixes what is decided; which thread
/// comes first is not in its hand.
/// </summary>
public sealed class LanesModelTests(ITestOutputHelper output)
{
    const int Lanes = 3;

    [Fact]
    public async Task Should_bring_every_transaction_to_every_lane_once_and_in_order()
    {
        var (failures, catchUps, rewinds, streams) = (0, 0, 0, 0);
        await Gen.Select(Gen.Int, Gen.Int[1, 400], Gen.Int[1, 60_000]).SampleAsync(
            async (seed, transactions, logBytes) =>
            {
                await using var run = new Run(seed, transactions, logBytes);
                await run.ToTheEndAsync();
                failures += run.Lanes.Sum(static l => l.Failures);
                catchUps += run.Lanes.Sum(static l => l.CatchUps);
                rewinds += run.Lanes.Sum(static l => l.Rewinds);
                streams += run.Streams;
            },
            output.WriteLine, iter: 60, threads: 1);
        output.WriteLine($"{failures} failures, {catchUps} catch-ups, {rewinds} rewinds, {streams} main streams");
        Assert.All([failures, catchUps, rewinds, streams], static n => Assert.NotEqual(0, n));
    }

    sealed class Run : IAsyncDisposable
    {
        readonly Random _random;
        readonly ModelSource _source;
        readonly LaneHub _hub;
        readonly SemaphoreSlim _wanted = new(0);
        readonly CancellationTokenSource _stop = new();
        CancellationTokenSource? _reading;
        int _inConsume;

        public Run(int seed, int transactions, int logBytes)
        {
            _random = new Random(seed);
            _source = new ModelSource(_random, transactions);
            var grace = TimeSpan.FromMilliseconds(_random.Next(0, 4));
            _hub = new LaneHub(new LaneHubOptions(logBytes, grace), TimeProvider.System, Wake);
            Lanes = [.. Enumerable.Range(1, LanesModelTests.Lanes).Select(
                id => new ModelLane(_hub, _source, _hub.Register(id, Lsn.Zero), new Random(_random.Next())))];
        }

        public IReadOnlyList<ModelLane> Lanes { get; }

        public int Streams { get; private set; }

        public async Task ToTheEndAsync()
        {
            var lanes = Lanes.Select(lane => Task.Run(() => lane.RunAsync(_stop.Token))).ToArray();
            var random = new Random(_random.Next());
            Task[] others = [Task.Run(MainAsync), Task.Run(CheckAsync), Task.Run(() => DisturbAsync(random))];
            // Whoever ends first has failed, unless the lanes are through.
            var through = Task.WhenAll(lanes);
            Task[] ends = [through, .. lanes.Select(static lane => IfItFails(lane)), .. others];
            try
            {
                await (await Task.WhenAny(ends).WaitAsync(TimeSpan.FromSeconds(15)));
            }
            catch (TimeoutException e)
            {
                throw new TimeoutException($"A lane does not come to its end: {this}", e);
            }

            await _stop.CancelAsync();
            Wake();
            await Task.WhenAll(others).WaitAsync(Wait.DefaultDeadline);
            foreach (var lane in Lanes)
                CheckEverything(lane);
        }

        static async Task IfItFails(Task task)
        {
            await task;
            await Task.Delay(Timeout.Infinite);
        }

        public override string ToString() =>
            $"main {(_hub.IsRunning ? "runs" : "does not run")} {(_hub.IsWanted ? "wanted" : "not wanted")} at {_hub.DeliveredUpTo} of {_source.End}, "
            + $"consuming {_inConsume}, start {_hub.StartPosition()}; "
            + string.Join("; ", Lanes.Select(static l =>
                $"{l.Lane.State} passed {l.Lane.Passed} failing {l.Lane.Failing} log {l.Lane.Log?.UnreadBytes.ToString() ?? "none"} in {l.Step}"));

        void CheckEverything(ModelLane lane)
        {
            Assert.Equal(
                _source.Transactions.Where(static t => t.Rows > 0).Select(static t => new MemoryDestination.Applied(t.Commit, t.Rows)),
                lane.Destination.Durable);
            Assert.True(lane.Lane.Passed >= _source.End);
        }

        /// <summary>The main stream, as a pipeline runs it: while it is wanted, from where it is wanted.</summary>
        async Task MainAsync()
        {
            var cuts = new Random(_random.Next());
            while (!_stop.IsCancellationRequested)
            {
                if (_hub.StartPosition() is not { } start)
                {
                    await _wanted.WaitAsync(_stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                    continue;
                }

                using var reading = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token);
                Volatile.Write(ref _reading, reading);
                Streams++;
                _hub.MainStarted(start);
                Wake();
                try
                {
                    foreach (var batch in _source.Read(start, cuts))
                    {
                        Assert.Equal(1, Interlocked.Increment(ref _inConsume));
                        try
                        {
                            await _hub.ConsumeAsync(batch, reading.Token);
                        }
                        finally
                        {
                            Interlocked.Decrement(ref _inConsume);
                            batch.Release();
                        }

                        reading.Token.ThrowIfCancellationRequested();
                        // A source dies now and then.
                        if (cuts.Next(200) == 0)
                            throw new OperationCanceledException();
                    }

                    // Nothing more comes, but the stream goes on.
                    await Task.Delay(Timeout.Infinite, reading.Token);
                }
                catch (OperationCanceledException)
                {
                    // Not wanted any more, or gone.
                }
                finally
                {
                    Volatile.Write(ref _reading, null);
                    _hub.MainEnded();
                }
            }
        }

        void Wake()
        {
            if (!_hub.IsWanted)
            {
                try
                {
                    Volatile.Read(ref _reading)?.Cancel();
                }
                catch (ObjectDisposedException)
                {
                    // It has ended by itself.
                }
            }

            _wanted.Release();
        }

        /// <summary>The slot is never acknowledged past what is durable at every destination.</summary>
        async Task CheckAsync()
        {
            var before = Lsn.Zero;
            while (!_stop.IsCancellationRequested)
            {
                var acknowledge = _hub.TakeAcknowledgeable() ?? throw new InvalidOperationException("There are lanes.");
                Assert.True(acknowledge >= before);
                before = acknowledge;
                var below = _source.Transactions.Count(t => t.Rows > 0 && t.Commit < acknowledge);
                foreach (var lane in Lanes)
                    Assert.InRange(lane.Destination.Durable.Count, below, int.MaxValue);
                await Task.Delay(1);
            }
        }

        async Task DisturbAsync(Random random)
        {
            while (!_stop.IsCancellationRequested)
            {
                await Task.Delay(random.Next(1, 4));
                var lane = Lanes[random.Next(LanesModelTests.Lanes)];
                switch (random.Next(12))
                {
                    case 0:
                        _hub.Detach(lane.Lane);
                        break;
                    case 1 or 2:
                        lane.Interrupt();
                        break;
                    case 3:
                        _hub.RestartMain();
                        break;
                    case 4:
                        lane.Lane.Failing = true;
                        break;
                }
            }
        }

        public async ValueTask DisposeAsync()
        {
            await _stop.CancelAsync();
            _hub.Dispose();
            _wanted.Dispose();
        }
    }
}
