import org.apache.hadoop.fs.LocalFileSystem;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.RawLocalFileSystem;
import org.apache.hadoop.fs.permission.FsPermission;

/** Hadoop's local file system without the process `chmod` that it starts for each file and folder. */
public class NoChmod extends LocalFileSystem {
  public NoChmod() {
    super(new RawLocalFileSystem() {
      @Override
      public void setPermission(Path path, FsPermission permission) {}
    });
  }
}
