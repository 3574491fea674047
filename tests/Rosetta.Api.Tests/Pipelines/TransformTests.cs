using Rosetta.Api.Tests.Hosting;
using Xunit;

namespace Rosetta.Api.Tests.Pipelines;

[Collection(nameof(ApiCollection))]
public sealed class TransformTests(ApiFixture fixture)
{
    ApiHost Api => fixture.Api;

    async Task<string> PathAsync()
    {
        var database = fixture.Name("transform").Replace(' ', '_');
        await fixture.Server.CreateDatabaseAsync(database);
        await fixture.Server.ExecuteAsync(
            """
            CREATE TABLE t (id int PRIMARY KEY, a text, n numeric(8,2), tags text[]);
            INSERT INTO t SELECT i, 'a' || i, i * 1.5, ARRAY['x', NULL] FROM generate_series(1, 30) i;
            CREATE TABLE "odd / name" (id int PRIMARY KEY);
            """,
            database);
        var (id, destination) = await fixture.AddPipelineAsync(database);
        return $"pipelines/{id}/destinations/{destination}/tables";
    }

    [Fact]
    public async Task Should_keep_a_filter_and_custom_SQL_that_fit_the_table_and_refuse_what_does_not()
    {
        var path = await PathAsync();
        object Choice(string? filter, string? custom = null, string[]? columns = null) =>
            new { table_syncs = new[] { new { table_name = "t", columns, filter_sql = filter, custom_sql = custom } } };

        var saved = await Api.PutAsync(path, Choice("n > 3", "SELECT *, upper(a) AS up FROM t", ["id", "n"]));
        Assert.True(saved.Status == 200, saved.Text);
        Assert.Equal("n > 3", (string)saved.Json["table_syncs"]![0]!["filter_sql"]!);
        Assert.Equal("SELECT *, upper(a) AS up FROM t", (string)saved.Json["table_syncs"]![0]!["custom_sql"]!);
        Assert.Equal(saved.Text, (await Api.PutAsync(path, (await Api.GetAsync(path)).Text)).Text);

        Assert.Empty((await Api.PutAsync(path, Choice("id > 3", null, ["id"]))).Json["warnings"]!.AsArray());
        var warned = await Api.PutAsync(path, Choice("a <> 'x'"));
        Assert.Contains("REPLICA IDENTITY FULL", (string)warned.Json["warnings"]![0]!, StringComparison.Ordinal);
        Assert.Equal(200, (await Api.PutAsync(path, warned.Text)).Status);
        var source = (long)(await Api.GetAsync(path[..path.IndexOf("/destinations", StringComparison.Ordinal)])).Json["source_id"]!;
        var finding = (await Api.GetAsync($"sources/{source}/preflight")).Json["findings"]!.AsArray().First(f => (string)f!["check"]! == "transform")!;
        Assert.Equal(("warning", "public.t", "ALTER TABLE \"public\".\"t\" REPLICA IDENTITY FULL;"), ((string)finding["severity"]!, (string)finding["table"]!, (string)finding["fix_sql"]!));
        Assert.Equal(200, (await Api.PutAsync(path, saved.Text)).Status);

        Assert.Contains("no column nope", (await Api.PutAsync(path, Choice("nope > 3"))).Error("table_syncs[0].filter_sql"), StringComparison.Ordinal);
        Assert.Contains("read_csv", (await Api.PutAsync(path, Choice("read_csv('/etc/passwd') IS NULL"))).Error("table_syncs[0].filter_sql"), StringComparison.Ordinal);
        Assert.Contains("only a SELECT", (await Api.PutAsync(path, Choice(null, "COPY t TO '/tmp/x'"))).Error("table_syncs[0].custom_sql"), StringComparison.Ordinal);
        Assert.Contains("key column id", (await Api.PutAsync(path, Choice(null, "SELECT a FROM t"))).Error("table_syncs[0].custom_sql"), StringComparison.Ordinal);
        Assert.Contains("cannot read", (await Api.PutAsync(path, Choice("tags IS NULL"))).Error("table_syncs[0].filter_sql"), StringComparison.Ordinal);
        Assert.Contains("'id'", (await Api.PutAsync(path, Choice("n > 3", null, ["n"]))).Error("table_syncs[0].columns"), StringComparison.Ordinal);
        Assert.Equal(saved.Json["table_syncs"]!.ToJsonString(), (await Api.GetAsync(path)).Json["table_syncs"]!.ToJsonString());

        // A table that is not there yet is taken; it goes to ERROR when the pipeline runs.
        Assert.Equal(200, (await Api.PutAsync(path, new { table_syncs = new[] { new { table_name = "later", filter_sql = "x > 1" } } })).Status);
    }

    [Fact]
    public async Task Should_show_what_a_transform_makes_of_real_rows()
    {
        var path = await PathAsync();

        var shown = await Api.PostAsync($"{path}/public.t/preview", new { filter_sql = "n > 30", custom_sql = "SELECT *, n * 2 AS twice, CASE WHEN id % 2 = 0 THEN a END AS even FROM t", limit = 2 });

        Assert.True(shown.Status == 200, shown.Text);
        Assert.Equal("""[["21","a21","31.50","{x,NULL}","63.00",null],["22","a22","33.00","{x,NULL}","66.00","a22"]]""", shown.Json["rows"]!.ToJsonString());
        Assert.Equal((10, 30), ((int)shown.Json["kept"]!, (int)shown.Json["read"]!));
        Assert.Equal("""{"name":"twice","type":"numeric(18,2)","computed":true}""", shown.Json["columns"]![4]!.ToJsonString());
        Assert.NotEmpty(shown.Json["warnings"]!.AsArray());

        Assert.Equal(30, (int)(await Api.PostAsync($"{path}/t/preview", new { columns = new[] { "id" } })).Json["kept"]!);
        Assert.Equal(200, (await Api.PostAsync($"{path}/{Uri.EscapeDataString("public.odd / name")}/preview", new { })).Status);
        Assert.Contains("syntax error", (await Api.PostAsync($"{path}/t/preview", new { filter_sql = "id =" })).Error("filter_sql"), StringComparison.Ordinal);
        Assert.Contains("Could not convert", (await Api.PostAsync($"{path}/t/preview", new { custom_sql = "SELECT id, a::INTEGER AS x FROM t" })).Error("custom_sql"), StringComparison.Ordinal);
        Assert.Contains("1 to 100", (await Api.PostAsync($"{path}/t/preview", new { limit = 1000 })).Error("limit"), StringComparison.Ordinal);
        Assert.Equal(404, (await Api.PostAsync($"{path}/nope/preview", new { })).Status);
        Assert.Equal(404, (await Api.PostAsync($"{path.Replace("/destinations/", "/destinations/9", StringComparison.Ordinal)}/t/preview", new { })).Status);
    }
}
