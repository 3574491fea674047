using Microsoft.Extensions.Logging.Abstractions;
using Rosetta.Store.Configuration;
using Rosetta.Store.Pipelines;
using Rosetta.Store.Secrets;
using Xunit;

namespace Rosetta.Store.Tests.Secrets;

[Collection(nameof(StoreCollection))]
[System.Runtime.Versioning.UnsupportedOSPlatform("windows")]
public sealed class SecretKeyTests(StoreFixture fixture) : IDisposable
{
    readonly string _directory = Directory.CreateTempSubdirectory("rosetta-key").FullName;

    string KeyFile => Path.Combine(_directory, "made", "secret.key");

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Fact]
    public async Task Should_never_store_a_secret_in_the_clear_and_give_it_back()
    {
        const string Password = "pä$$'\"; -- word";
        await using var store = await fixture.NewStoreAsync();
        var source = await store.AddSourceAsync(password: Password);
        var destination = await store.AddDestinationAsync();

        Assert.Equal(Password, (await store.Sources.FindAsync(source.Id, CancellationToken.None))!.Password.Value);
        Assert.Equal("pw", (await store.Destinations.FindAsync(destination.Id, CancellationToken.None))!.Config.Text("password"));
        Assert.StartsWith($"rosetta:v1:{store.Installation.Secrets.KeyId}:", await store.ScalarAsync<string>("SELECT pg_password FROM sources"), StringComparison.Ordinal);
        Assert.StartsWith("rosetta:v1:", await store.ScalarAsync<string>("SELECT config ->> 'password' FROM destinations"), StringComparison.Ordinal);
        Assert.DoesNotContain(Password, source.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain("pw", destination.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Should_stop_with_another_key_or_none_and_name_the_setting()
    {
        await using var store = await fixture.NewStoreAsync();

        var other = await Assert.ThrowsAsync<SecretKeyException>(() => OpenAsync(store.Database, "geheim and of enough length"));
        var none = await Assert.ThrowsAsync<SecretKeyException>(() => OpenAsync(store.Database, null));
        var shortKey = await Assert.ThrowsAsync<SecretKeyException>(() => OpenAsync(store.Database, "too short"));

        Assert.All([other, none, shortKey], e => Assert.Contains("SECRET_KEY", e.Message, StringComparison.Ordinal));
        Assert.DoesNotContain("geheim", other.ToString(), StringComparison.Ordinal);
        Assert.False(File.Exists(KeyFile));
    }

    [Fact]
    public async Task Should_make_one_key_in_a_private_file_when_two_nodes_of_a_machine_race()
    {
        var database = await NewDatabaseAsync();

        var opened = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(() => OpenAsync(database, null))));

        Assert.Single(opened.Select(i => i.Secrets.KeyId).Distinct());
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(KeyFile));
        Assert.Equal([KeyFile], Directory.GetFiles(Path.GetDirectoryName(KeyFile)!));
        Assert.Equal(opened[0].Secrets.KeyId, (await OpenAsync(database, File.ReadAllText(KeyFile).Trim())).Secrets.KeyId);
        await database.DisposeAsync();
    }

    [Fact]
    public async Task Should_give_the_loser_on_another_machine_the_clear_error()
    {
        var database = await NewDatabaseAsync();
        await OpenAsync(database, null);

        var error = await Assert.ThrowsAsync<SecretKeyException>(
            () => OpenAsync(database, null, Path.Combine(_directory, "other machine", "secret.key")));

        Assert.Contains("SECRET_KEY is not set", error.Message, StringComparison.Ordinal);
        await database.DisposeAsync();
    }

    [Fact]
    public async Task Should_refuse_a_key_file_that_others_can_read()
    {
        var database = await NewDatabaseAsync();
        await OpenAsync(database, null);
        File.SetUnixFileMode(KeyFile, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.OtherRead);

        var error = await Assert.ThrowsAsync<SecretKeyException>(() => OpenAsync(database, null));

        Assert.Contains("chmod 600", error.Message, StringComparison.Ordinal);
        await database.DisposeAsync();
    }

    [Fact]
    public async Task Should_encrypt_at_the_next_start_what_was_written_by_hand()
    {
        await using var store = await fixture.NewStoreAsync();
        await store.ExecuteAsync(
            """
            INSERT INTO sources (name, pg_host, pg_database, pg_username, pg_password) VALUES ('by hand', 'h', 'd', 'u', 'clear');
            INSERT INTO destinations (name, type, config) VALUES ('by hand', 'POSTGRES', '{"host": "h", "password": "clear"}');
            """);
        var page = await store.Sources.ListAsync(10, 0, CancellationToken.None);
        Assert.Equal("clear", page.Items[0].Password.Value);

        await OpenAsync(store.Database, StoreUnderTest.Key);

        Assert.StartsWith("rosetta:v1:", await store.ScalarAsync<string>("SELECT pg_password FROM sources"), StringComparison.Ordinal);
        Assert.StartsWith("rosetta:v1:", await store.ScalarAsync<string>("SELECT config ->> 'password' FROM destinations"), StringComparison.Ordinal);
        page = await store.Sources.ListAsync(10, 0, CancellationToken.None);
        Assert.Equal("clear", page.Items[0].Password.Value);
    }

    [Fact]
    public async Task Should_rotate_the_key()
    {
        const string NewKey = "a new key of enough length";
        await using var store = await fixture.NewStoreAsync();
        var pipeline = await store.AddPipelineAsync();
        await Assert.ThrowsAsync<SecretKeyException>(
            () => SecretRotation.RotateAsync(store.Database, "not the key of this one", NewKey, CancellationToken.None));

        Assert.Equal(2, await SecretRotation.RotateAsync(store.Database, StoreUnderTest.Key, NewKey, CancellationToken.None));

        await Assert.ThrowsAsync<SecretKeyException>(() => OpenAsync(store.Database, StoreUnderTest.Key));
        // Who still has the old key is told, and gets no garbage.
        await Assert.ThrowsAsync<SecretKeyException>(() => store.Sources.FindAsync(pipeline.Source.Id, CancellationToken.None));
        var installation = await OpenAsync(store.Database, NewKey);
        var read = await new PipelineRepository(store.Database, installation).FindAsync(pipeline.Id, CancellationToken.None);
        Assert.Equal(("pw", "pw"), (read!.Source.Password.Value, read.Destinations[0].Destination.Config.Text("password")));
        Assert.Equal(store.Installation.Uuid, installation.Uuid);
    }

    [Fact]
    public async Task Should_not_open_an_envelope_that_was_damaged_or_moved()
    {
        await using var store = await fixture.NewStoreAsync();
        var secrets = store.Installation.Secrets;
        var envelope = secrets.Protect("x", "sources.pg_password");

        Assert.NotEqual(envelope, secrets.Protect("x", "sources.pg_password"));
        Assert.Throws<SecretKeyException>(() => secrets.Unprotect(envelope, "destinations.config.password"));
        Assert.Throws<SecretKeyException>(() => secrets.Unprotect(envelope[..^8] + "AAAAAAA=", "sources.pg_password"));
        Assert.Throws<SecretKeyException>(() => secrets.Unprotect("rosetta:v1:zz", "sources.pg_password"));
        Assert.Equal("x", secrets.Unprotect(envelope, "sources.pg_password"));
    }

    async Task<ConfigDatabase> NewDatabaseAsync()
    {
        var database = new ConfigDatabase(await fixture.NewDatabaseAsync(), NullLogger<ConfigDatabase>.Instance);
        await new ConfigMigrator(database, NullLogger<ConfigMigrator>.Instance).MigrateAsync(CancellationToken.None);
        return database;
    }

    Task<Installation> OpenAsync(ConfigDatabase database, string? key, string? file = null) =>
        new InstallationOpener(database, NullLogger<InstallationOpener>.Instance).OpenAsync(key, file ?? KeyFile, CancellationToken.None);
}
