using Rosetta.Api.Tests.Hosting;
using Xunit;

namespace Rosetta.Api.Tests.Pipelines;

[Collection(nameof(ApiCollection))]
public sealed class TableOptionTests(ApiFixture fixture)
{
    ApiHost Api => fixture.Api;

    [Fact]
    public async Task Should_keep_options_and_take_its_own_answer_back()
    {
        var (id, destination) = await fixture.AddPipelineAsync();
        var path = $"pipelines/{id}/destinations/{destination}/tables";

        var saved = await Api.PutAsync(path, new
        {
            table_syncs = new object[]
            {
                new { table_name = "a", delete_mode = "soft", metadata = new[] { "operation", "lsn" }, metadata_names = new { lsn = "at" } },
                new { table_name = "b.*", delete_mode = "soft", deleted_column = "gone", ignore = new[] { "truncate" } },
                new { table_name = "c", ignore = new[] { "delete", "update" } },
                new { table_name = "d", delete_mode = "hard" },
                new { table_name = "e", with_indexes = true },
                new { table_name = "f.*", with_indexes = false },
                new { table_name = "g", delete_mode = "soft", deleted_type = "boolean" },
                new { table_name = "h", delete_mode = "soft", deleted_type = "timestamp", deleted_column = "_deleted" },
            },
        });

        Assert.True(saved.Status == 200, saved.Text);
        var syncs = saved.Json["table_syncs"]!.AsArray();
        Assert.Equal(("soft", null), ((string?)syncs[0]!["delete_mode"], (string?)syncs[0]!["deleted_column"]));
        Assert.Equal("""["lsn","operation"]""", syncs[0]!["metadata"]!.ToJsonString());
        Assert.Equal("at", (string?)syncs[0]!["metadata_names"]!["lsn"]);
        Assert.Equal("gone", (string?)syncs[1]!["deleted_column"]);
        Assert.Equal("""["update","delete"]""", syncs[2]!["ignore"]!.ToJsonString());
        Assert.Equal(("hard", null), ((string?)syncs[3]!["delete_mode"], syncs[3]!["ignore"]?.ToJsonString()));
        Assert.Equal(("boolean", null), ((string?)syncs[6]!["deleted_type"], (string?)syncs[6]!["deleted_column"]));
        Assert.Equal((null, "_deleted"), ((string?)syncs[7]!["deleted_type"], (string?)syncs[7]!["deleted_column"]));
        Assert.Equal([null, true, false], new[] { 3, 4, 5 }.Select(n => (bool?)syncs[n]!["with_indexes"]));
        Assert.Equal(saved.Text, (await Api.PutAsync(path, saved.Text)).Text);
        Assert.Equal(200, (await Api.PutAsync(path, (await Api.GetAsync(path)).Text)).Status);
    }

    [Fact]
    public async Task Should_say_what_is_wrong_with_options()
    {
        var (id, destination) = await fixture.AddPipelineAsync();

        var refused = await Api.PutAsync($"pipelines/{id}/destinations/{destination}/tables", new
        {
            table_syncs = new object[]
            {
                new { table_name = "a", delete_mode = "gentle" },
                new { table_name = "b", deleted_column = "x" },
                new { table_name = "c", delete_mode = "soft", ignore = new[] { "delete" } },
                new { table_name = "d", ignore = new[] { "insert" } },
                new { table_name = "e", metadata = new[] { "lsn", "lsn" } },
                new { table_name = "f", metadata = new[] { "lsn" }, metadata_names = new { operation = "x" } },
                new { table_name = "g", metadata = new[] { "lsn", "operation" }, metadata_names = new { operation = "x", lsn = "x" } },
                new { table_name = "h", delete_mode = "soft", deleted_column = new string('x', 64) },
                new { table_name = "i", delete_mode = "soft", deleted_type = "int" },
                new { table_name = "j", deleted_type = "boolean" },
            },
        });

        Assert.Equal(422, refused.Status);
        foreach (var (field, told) in ((string, string)[])[
            ("[0].delete_mode", "hard or soft"), ("[1].deleted_column", "delete_mode soft only"), ("[2].ignore", "either marked or ignored"), ("[3].ignore", "update, delete, truncate"),
            ("[4].metadata", "commit_time"), ("[5].metadata_names", "does not have"), ("[6].metadata", "one name"), ("[7].deleted_column", "63 bytes"), ("[8].deleted_type", "timestamp or boolean"), ("[9].deleted_type", "delete_mode soft only")])
            Assert.Contains(told, refused.Error($"table_syncs{field}"), StringComparison.Ordinal);
        var wrong = await Api.PutAsync($"pipelines/{id}/destinations/{destination}/tables", new { table_syncs = new[] { new { table_name = "i", with_indexes = "yes" } } });
        Assert.Equal("must be true or false", wrong.Error("table_syncs[0].with_indexes"));
    }
}
