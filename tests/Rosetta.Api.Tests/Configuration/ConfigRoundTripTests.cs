using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using Rosetta.Api.Tests.Hosting;
using Xunit;
using Xunit.Abstractions;

namespace Rosetta.Api.Tests.Configuration;

[Collection(nameof(ApiCollection))]
public sealed class ConfigRoundTripTests(ApiFixture fixture, ITestOutputHelper output)
{
    const string Odd = "o'b\"c: # - &x *y !z; DROP TABLE sources; \\ größe 表 🐘 %s {0} ~ yes";

    /// <summary>Two sources, two destinations, presets, a started and a paused pipeline, made through the endpoints.</summary>
    async Task<Installation> FilledAsync()
    {
        var installation = await Installation.StartAsync(fixture);
        var api = installation.Api;
        async Task<long> AddAsync(string path, object body)
        {
            var answer = await api.PostAsync(path, body);
            Assert.True(answer.Status == 201, answer.Text);
            return answer.Id;
        }

        var shop = await AddAsync("sources", fixture.Source("shop"));
        var odd = await AddAsync("sources", new { name = Odd, pg_host = "::1", pg_database = "yes", pg_username = "123", pg_port = 1, publication_name = Odd[..20] });
        var warehouse = await AddAsync("destinations", fixture.Destination("ware-house"));
        var replica = await AddAsync("destinations", new
        {
            name = "ware house", type = "POSTGRES", config = new { host = "null", database = "0x1F", user = "1e3", schema = "no", password = "0123", ssl_mode = "require" },
        });
        await AddAsync("presets", new { name = "everything", table_syncs = Array.Empty<object>() });
        await AddAsync("presets", new
        {
            name = Odd, table_syncs = new object[]
            {
                new { table_name = "sales.*", table_name_target = "x.*", delete_mode = "soft", deleted_column = Odd[..20], ignore = new[] { "truncate" }, with_indexes = true }, new { table_name = "a", enabled = false },
                new { table_name = "b", metadata = new[] { "lsn", "operation" }, metadata_names = new { operation = "op" }, with_indexes = false },
                new { table_name = "c", delete_mode = "soft", deleted_type = "boolean" },
            },
        });
        await AddAsync("pipelines", new { name = "empty", source_id = odd });
        var pipeline = await AddAsync("pipelines", new { name = "shop: to all", source_id = shop });
        await AddAsync($"pipelines/{pipeline}/destinations", new { destination_id = replica, snapshot = "none", table_syncs = new[] { new { table_name = "not_there", columns = new[] { "id", Odd } } } });
        await AddAsync($"pipelines/{pipeline}/destinations", new { destination_id = warehouse });
        Assert.Equal(200, (await api.PostAsync($"pipelines/{pipeline}/start")).Status);
        return installation;
    }

    static readonly JsonObject Secrets = new()
    {
        ["env:ROSETTA_SOURCE_SHOP_PASSWORD"] = "not shown", ["env:ROSETTA_DESTINATION_WARE_HOUSE_PASSWORD"] = "0123", ["env:ROSETTA_DESTINATION_WARE_HOUSE_PASSWORD_2"] = "not shown",
    };

    [Fact]
    public async Task Should_give_the_same_installation_when_an_export_is_applied_to_an_empty_one()
    {
        await using var first = await FilledAsync();
        await using var second = await Installation.StartAsync(fixture);
        var file = await first.ExportAsync();

        var missing = await second.ApplyAsync(file);
        Assert.Equal(422, missing.Status);
        Assert.Contains("env:ROSETTA_SOURCE_SHOP_PASSWORD", missing.Text, StringComparison.Ordinal);
        Assert.Contains("(line ", missing.Error("sources[1].pg_password"), StringComparison.Ordinal);
        var diff = await second.DiffAsync(file, Secrets);
        Assert.True(diff.Status == 200, diff.Text);
        Assert.Contains("version: 1\nsources: []\n", await second.ExportAsync(), StringComparison.Ordinal);
        var applied = await second.MustApplyAsync(file, Secrets);

        Assert.Equal(Installation.Kinds(diff), applied);
        Assert.Equal(10, applied.Count);
        Assert.All(applied, change => Assert.StartsWith("create ", change, StringComparison.Ordinal));
        Assert.Equal(file, await second.ExportAsync());
        var store = second.Api.Store;
        Assert.Equal("not shown", (await store.Sources.ListAsync(10, 0, CancellationToken.None)).Items.Single(s => s.Name == "shop").Password.Value);
        Assert.Equal(
            ["0123", "not shown"],
            (await store.Destinations.ListAsync(10, 0, CancellationToken.None)).Items.OrderBy(d => d.Name, StringComparer.Ordinal).Select(d => d.Config.Text("password")!));
    }

    [Fact]
    public async Task Should_change_nothing_when_it_is_applied_again()
    {
        await using var installation = await FilledAsync();
        var file = await installation.ExportAsync();
        var rows = await installation.RowsAsync();

        // Without its secrets, with them, and asked to delete what is not in it.
        foreach (var (secrets, prune) in ((object?, bool)[])[(null, false), (Secrets, false), (null, true), (Secrets, true)])
        {
            var kinds = await installation.MustApplyAsync(file, secrets, prune);
            Assert.Equal(10, kinds.Count);
            Assert.All(kinds, change => Assert.StartsWith("none ", change, StringComparison.Ordinal));
        }

        Assert.Equal(rows, await installation.RowsAsync());
        Assert.Equal(file, await installation.ExportAsync());
    }

    [Fact]
    public async Task Should_carry_a_large_installation()
    {
        await using var installation = await Installation.StartAsync(fixture);
        var file = new StringBuilder("version: 1\nsources: [{name: s, pg_host: h, pg_database: d, pg_username: u}]\ndestinations: [{name: d, type: POSTGRES, config: {host: h, database: d, user: u}}]\npipelines:\n");
        for (var pipeline = 0; pipeline < 200; pipeline++)
        {
            file.Append(CultureInfo.InvariantCulture, $"  - name: p{pipeline}\n    source: s\n    destinations:\n      - destination: d\n        table_syncs:\n");
            for (var table = 0; table < 20; table++) file.Append(CultureInfo.InvariantCulture, $"          - table_name: s{pipeline}.t{table}\n");
        }

        var started = Stopwatch.GetTimestamp();
        Assert.Equal(402, (await installation.MustApplyAsync(file.ToString())).Count);
        output.WriteLine($"applied after {Stopwatch.GetElapsedTime(started).TotalSeconds:0.0} s");
        var export = await installation.ExportAsync();
        started = Stopwatch.GetTimestamp();
        Assert.All(await installation.MustApplyAsync(export, prune: true), change => Assert.StartsWith("none ", change, StringComparison.Ordinal));
        output.WriteLine($"found the same after {Stopwatch.GetElapsedTime(started).TotalSeconds:0.0} s, {export.Length} characters");
        Assert.Equal(200, (await installation.Api.Store.Pipelines.ListAsync(1, 0, CancellationToken.None)).Total);
    }

    [Fact]
    public async Task Should_never_show_a_secret()
    {
        await using var installation = await FilledAsync();
        var file = await installation.ExportAsync();
        var secrets = new JsonObject
        {
            ["env:ROSETTA_SOURCE_SHOP_PASSWORD"] = "hunter2a", ["env:ROSETTA_DESTINATION_WARE_HOUSE_PASSWORD"] = "hunter2b",
        };

        await installation.Api.PostAsync($"pipelines/{await IdAsync(installation, "shop: to all")}/pause");
        var paused = file.Replace("status: START", "status: PAUSE", StringComparison.Ordinal);
        var answers = new[] { await installation.DiffAsync(paused, secrets), await installation.ApplyAsync(paused, secrets) };
        Assert.All(answers, a => Assert.Equal(200, a.Status));
        Assert.Equal(["pg_password: \"***\" -> \"***\""], Installation.Fields(Installation.Change(answers[0], "source", "shop")));
        Assert.Equal(["config.password: \"***\" -> \"***\""], Installation.Fields(Installation.Change(answers[0], "destination", "ware house")));
        Assert.Equal("hunter2b", (await installation.Api.Store.Destinations.ListAsync(10, 0, CancellationToken.None)).Items.Single(d => d.Name == "ware house").Config.Text("password"));
        Assert.Equal(paused, await installation.ExportAsync());

        // Written into the file itself, beside an error, and in a refused change.
        var inline = paused.Replace("pg_password: env:ROSETTA_SOURCE_SHOP_PASSWORD", "pg_password: hunter2c", StringComparison.Ordinal);
        var wrong = await installation.ApplyAsync(inline.Replace("pg_port: 1\n", "pg_port: x\n", StringComparison.Ordinal));
        Assert.Equal(422, wrong.Status);
        await installation.Api.PostAsync($"pipelines/{await IdAsync(installation, "shop: to all")}/start");
        var refused = await installation.ApplyAsync(inline.Replace("status: PAUSE\n    destinations:\n", "status: START\n    destinations:\n", StringComparison.Ordinal));
        Assert.Equal(409, refused.Status);
        foreach (var answer in (Answer[])[.. answers, wrong, refused]) Assert.DoesNotContain("hunter2", answer.Text, StringComparison.Ordinal);
        Assert.DoesNotContain("not shown", file, StringComparison.Ordinal);
        Assert.DoesNotContain("\"0123\"", file, StringComparison.Ordinal);
    }

    static async Task<long> IdAsync(Installation installation, string pipeline) =>
        (await installation.Api.Store.Pipelines.ListAsync(10, 0, CancellationToken.None)).Items.Single(p => p.Name == pipeline).Id;
}
