using System.Globalization;
using Rosetta.Client.Answers;
using Rosetta.EndToEnd.Stage;
using Xunit;
using Xunit.Abstractions;

namespace Rosetta.EndToEnd;

/// <summary>One row in a hundred breaks a constraint that only one destination has: exactly those wait, whatever happens to them meanwhile, and everything is equal in the end.</summary>
public sealed class OnePercentTests(ITestOutputHelper output)
{
    const int Rows = 20_000;

    [Fact]
    public async Task Should_park_exactly_the_one_percent_that_is_refused_and_bring_it_back_whatever_happened_to_it_meanwhile()
    {
        var seed = Random.Shared.Next();
        output.WriteLine($"seed {seed}");
        var random = new Random(seed);
        await using var stage = await RefusalStage.StartAsync(
            output, redis: null, schema: $"INSERT INTO orders (id, v, big) SELECT i, 0, 'small' FROM generate_series(2001, {Rows}) i;");
        // Others the second time, and another value: some rows that were meddled with may still have to be read again, and must not be refused then.
        int[][] chosen = [.. Enumerable.Range(1, Rows).OrderBy(_ => random.Next()).Take(Rows / 50).Chunk(Rows / 100)];
        var guilty = chosen[0];

        await WriteOncePerRowAsync(chosen[0], 7);
        await stage.AssertRestEqualAsync();
        var letters = await LettersAsync();
        Assert.Equal(
            (await stage.Source.QueryAsync<string>("SELECT id || ' UPDATE ' || v || ' ' || step FROM orders WHERE v % 50 = 7 ORDER BY id", Installation.Database)),
            letters.OrderBy(l => int.Parse(l.Key[0], CultureInfo.InvariantCulture)).Select(l => $"{l.Key[0]} {l.Operation} {l.New!["v"]} {l.New["step"]}"));
        Assert.Equal(Rows / 100, letters.Count);
        Assert.All(letters, l => Assert.Equal(("public.orders", "23514", "DATA"), (l.Table, l.Sqlstate, l.ErrorClass)));

        for (var i = 0; i < 600; i++)
        {
            await stage.Source.ExecuteAsync(Meddle(guilty[random.Next(guilty.Length)], guilty[random.Next(guilty.Length)]), Installation.Database);
            if (i == 200)
                await stage.Source.ExecuteAsync("ALTER TABLE orders ADD note text DEFAULT 'new'", Installation.Database);
            if (i == 400)
                await stage.Source.ExecuteAsync("UPDATE others SET v = 7; TRUNCATE others; INSERT INTO others SELECT i, 1 FROM generate_series(1, 50) i", Installation.Database);
        }

        await stage.AssertRestEqualAsync();
        await stage.AssertHealsAsync();

        // The table itself is emptied with keys parked: what came before is of no use.
        await stage.Bad.ExecuteAsync("ALTER TABLE orders ADD CONSTRAINT refused_too CHECK (v <> 9) NOT VALID", Installation.Database);
        await WriteOncePerRowAsync(chosen[1], 9);
        await stage.AssertRestEqualAsync();
        Assert.Equal(Rows / 100, await stage.ParkedAsync());
        await stage.Source.ExecuteAsync($"BEGIN; TRUNCATE orders; INSERT INTO orders (id, v, big) SELECT i, 1, 'again' FROM generate_series(1, {Rows / 2}) i; COMMIT", Installation.Database);
        await stage.AssertEqualAsync();
        Assert.Equal(0, await stage.ParkedAsync());

        // Each row once, in twenty transactions; rows that are there.
        async Task WriteOncePerRowAsync(int[] refused, int v)
        {
            var keys = string.Join(',', refused);
            for (var from = 1; from <= Rows; from += 1_000)
            {
                await stage.Source.ExecuteAsync(
                    $"UPDATE orders SET v = CASE WHEN id = ANY ('{{{keys}}}') THEN {v} ELSE 8 END, step = nextval('steps') WHERE id BETWEEN {from} AND {from + 999}", Installation.Database);
            }
        }

        async Task<List<DeadLetter>> LettersAsync()
        {
            var destination = (await Installation.DestinationIdsAsync(stage.Node.Api, stage.Pipeline))[1];
            var (all, after) = (new List<DeadLetter>(), (string?)null);
            do
            {
                var page = (await stage.Node.Api.GetAsync($"pipelines/{stage.Pipeline}/destinations/{destination}/dlq?limit=60{(after is null ? "" : $"&after={after}")}")).As<DeadLetters>();
                all.AddRange(page.Items);
                after = page.Next;
            }
            while (after is not null);
            return all;
        }

        string Meddle(int id, int other)
        {
            const string step = "step = nextval('steps')";
            return random.Next(9) switch
            {
                0 => $"DELETE FROM orders WHERE id = {id}",
                1 => $"INSERT INTO orders (id, v, big) VALUES ({id}, {random.Next(6, 9)}, 'again') ON CONFLICT (id) DO NOTHING",
                2 => $"UPDATE orders SET id = id + 100000, {step} WHERE id = {id} AND NOT EXISTS (SELECT FROM orders o WHERE o.id = {id} + 100000)",
                3 => $"UPDATE orders SET id = id - 100000, {step} WHERE id = {id} + 100000 AND NOT EXISTS (SELECT FROM orders o WHERE o.id = {id})",
                // One row takes the key of another one.
                4 when id != other => $"BEGIN; DELETE FROM orders WHERE id = {other}; UPDATE orders SET id = {other}, {step} WHERE id = {id}; COMMIT",
                5 => $"UPDATE orders SET big = repeat(md5('{id}'), 100), {step} WHERE id = {id}",
                6 => $"BEGIN; DELETE FROM orders WHERE id = {id}; INSERT INTO orders (id, v, big) VALUES ({id}, 8, repeat('z', 3000)); COMMIT",
                _ => $"UPDATE orders SET v = {random.Next(6, 9)}, {step} WHERE id IN ({id}, {id} + 100000)",
            };
        }
    }
}
